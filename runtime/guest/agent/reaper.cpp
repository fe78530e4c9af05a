// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/reaper.hpp"

#include <sys/signalfd.h>
#include <sys/wait.h>

#include <array>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "runtime/guest/agent/signals.hpp"

namespace tl::guest {

Result<Reaper> Reaper::create(const asio::any_io_executor& executor) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  auto signals = open_signals(executor, set);
  if (!signals) return signals.error();
  return Reaper(std::move(*signals));
}

void Reaper::reap() {
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    const auto found = watched_.find(pid);
    if (found == watched_.end()) continue;
    const auto ended = std::move(found->second);
    watched_.erase(found);
    ended(status);
  }
}

asio::awaitable<void> Reaper::run() {
  std::array<signalfd_siginfo, 8> infos;
  for (;;) {
    asio::error_code failed;
    co_await signals_.async_read_some(asio::buffer(infos.data(), sizeof infos),
                                      asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return;
    reap();
  }
}

}  // namespace tl::guest
