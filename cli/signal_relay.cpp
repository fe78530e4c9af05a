// SPDX-License-Identifier: Apache-2.0
#include "cli/signal_relay.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "common/check.hpp"

namespace tl::cli {
namespace {

std::atomic<int> relay_fd{-1};
std::atomic<int> last_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "used in a signal handler");

void pass_on(int signal) {
  const int saved_errno = errno;
  last_signal.store(signal);
  const auto byte = static_cast<unsigned char>(signal);
  // A full pipe means that thousands are unread: one more changes nothing.
  [[maybe_unused]] const auto written = ::write(relay_fd.load(), &byte, 1);
  errno = saved_errno;
}

}  // namespace

Result<std::unique_ptr<SignalRelay>> SignalRelay::start() {
  TL_CHECK(relay_fd.load() == -1);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return errno_error("make a pipe for signals");
  std::unique_ptr<SignalRelay> relay(new SignalRelay);
  relay->reading_.reset(ends[0]);
  relay->writing_.reset(ends[1]);
  relay_fd.store(ends[1]);
  last_signal.store(0);

  struct sigaction action {};
  action.sa_handler = pass_on;
  action.sa_flags = SA_RESTART;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], &action, &relay->found_[i]);
    // nohup(1) and shells' background jobs ignore some: they stay ignored.
    if (relay->found_[i].sa_handler == SIG_IGN) ::sigaction(kSignals[i], &relay->found_[i], nullptr);
  }
  return relay;
}

SignalRelay::~SignalRelay() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &found_[i], nullptr);
  relay_fd.store(-1);
}

std::optional<int> SignalRelay::received() {
  const int signal = last_signal.load();
  return signal == 0 ? std::nullopt : std::optional<int>(signal);
}

}  // namespace tl::cli
