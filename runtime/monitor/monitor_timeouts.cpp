// SPDX-License-Identifier: Apache-2.0
// When a sandbox's time is over, by the wall clock or because nobody works in it: one with a name is
// suspended, one without is ended.
#include <algorithm>

#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "runtime/monitor/monitor.hpp"

namespace tl::monitor {
namespace {

using namespace std::chrono_literals;

// How long at most a host's clock may have been set forward unnoticed.
constexpr auto kClockCheck = 10s;
// Between two attempts to suspend a sandbox whose time is over.
constexpr auto kSuspendRetry = 60s;

}  // namespace

std::optional<std::chrono::seconds> Monitor::until_timeout() const {
  if (record_.timeout_secs == 0 || !record_.running_since) return std::nullopt;
  const auto strikes = *record_.running_since + std::chrono::seconds(record_.timeout_secs);
  const auto left = std::chrono::ceil<std::chrono::seconds>(strikes - std::chrono::system_clock::now());
  return std::max(left, 0s);
}

std::optional<std::chrono::seconds> Monitor::until_idle_timeout() const {
  if (record_.idle_timeout_secs == 0) return std::nullopt;
  const std::chrono::seconds all(record_.idle_timeout_secs);
  if (busy_streams_ > 0) return all;
  const auto left =
      std::chrono::ceil<std::chrono::seconds>(idle_since_ + all - std::chrono::steady_clock::now());
  return std::max(left, 0s);
}

asio::awaitable<void> Monitor::watch_timeouts() {
  while (!end_) {
    const auto left = until_timeout();
    const auto idle_left = until_idle_timeout();
    if (!left && !idle_left) co_return;
    if (left == 0s) {
      co_await time_out(fmt::format("its timeout of {} s elapsed", record_.timeout_secs));
    } else if (idle_left == 0s) {
      co_await time_out(fmt::format("it was idle for {} s", record_.idle_timeout_secs));
    } else {
      // The clock on the wall may be set; the timer's cannot.
      std::chrono::steady_clock::duration wait = kClockCheck;
      if (left) wait = std::min<std::chrono::steady_clock::duration>(wait, *left);
      if (idle_left) wait = std::min<std::chrono::steady_clock::duration>(wait, *idle_left);
      asio::steady_timer timer(context_, wait);
      co_await timer.async_wait(asio::use_awaitable);
    }
  }
}

asio::awaitable<void> Monitor::time_out(std::string reason) {
  // It may have got its name since it was started.
  const auto record = registry_->read(record_.sandbox_id);
  if (record && !record->name) {
    end(std::move(reason));
    co_return;
  }
  log_.info("suspending: {}", reason);
  const Result<void> suspended = co_await suspend();
  if (suspended) co_return;
  log_.info("suspend: {}", suspended.error().message);
  asio::steady_timer pause(context_, kSuspendRetry);
  co_await pause.async_wait(asio::use_awaitable);
}

}  // namespace tl::monitor
