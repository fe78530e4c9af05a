// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/signals.hpp"

#include <sys/signalfd.h>

#include "common/unique_fd.hpp"

namespace tl::guest {

void prepare_signals(const sigset_t& more) {
  for (int number = 1; number < NSIG; ++number) {
    if (number != SIGKILL && number != SIGSTOP) ::signal(number, SIG_DFL);
  }
  sigset_t blocked = more;
  sigaddset(&blocked, SIGCHLD);
  sigaddset(&blocked, SIGPIPE);
  ::sigprocmask(SIG_SETMASK, &blocked, nullptr);
}

Result<asio::posix::stream_descriptor> open_signals(const asio::any_io_executor& executor,
                                                    const sigset_t& set) {
  UniqueFd fd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd) return errno_error("signalfd");
  return asio::posix::stream_descriptor(executor, fd.release());
}

}  // namespace tl::guest
