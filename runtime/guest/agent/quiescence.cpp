// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/quiescence.hpp"

#include <algorithm>
#include <exception>
#include <optional>

#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "runtime/guest/protocol/messages.hpp"

namespace tl::guest {

Quiescence::Quiescence(const asio::any_io_executor& executor, ControlGroups& groups, StartGate& gate,
                       Alarm& alarm, Log log, std::chrono::milliseconds stop_limit)
    : executor_(executor), groups_(groups), gate_(gate), alarm_(alarm), log_(log), stop_limit_(stop_limit) {}

// A process stops when it next comes back from the kernel: at once as a rule.
asio::awaitable<Result<void>> Quiescence::stop_all() {
  constexpr std::chrono::milliseconds kLongestPause{16};
  std::chrono::milliseconds pause{1};
  asio::steady_timer timer(executor_);
  const auto deadline = std::chrono::steady_clock::now() + stop_limit_;
  for (;;) {
    const auto stopped = groups_.stop();
    if (!stopped) co_return stopped.error().within("stop the processes");
    if (unwanted_) co_return Error{ErrorCode::kConflict, "stopping the processes was given up", ""};
    if (*stopped) co_return Result<void>();
    if (std::chrono::steady_clock::now() >= deadline) {
      co_return Error{ErrorCode::kFailure, "processes do not stop, in the control group " + groups_.moving(),
                      ""};
    }
    timer.expires_after(pause);
    pause = std::min(2 * pause, kLongestPause);
    asio::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<Result<void>> Quiescence::quiesce() {
  if (state_ == State::kStopping) {
    co_return Error{ErrorCode::kConflict, "the processes are being stopped already", ""};
  }
  if (state_ == State::kRunning) {
    state_ = State::kStopping;
    unwanted_ = false;
    hold_ = gate_.close();
    std::optional<Result<void>> stopped;  // none: the memory ran out
    try {
      auto done = co_await stop_all();
      stopped.emplace(std::move(done));
    } catch (const std::exception&) {
      stopped.reset();
    }
    if (!stopped || !*stopped) {
      static_cast<void>(go_on());
      if (stopped) co_return *stopped;
      co_return Error{ErrorCode::kFailure, "stop the processes: out of memory", ""};
    }
    state_ = State::kQuiesced;
  }
  begin_lease();
  co_return Result<void>();
}

void Quiescence::begin_lease() {
  alarm_.set(kQuiesceLease, [this] {
    log_.info("quiesce: neither configured nor released in time");
    const auto released = release();
    if (!released) log_.info("quiesce: {}", released.error().message);
  });
}

Result<void> Quiescence::go_on() {
  auto resumed = groups_.resume();
  state_ = State::kRunning;
  hold_.reset();
  return resumed;
}

Result<void> Quiescence::release() {
  if (state_ == State::kStopping) unwanted_ = true;
  if (state_ != State::kQuiesced) return {};
  alarm_.cancel();
  auto released = go_on();
  return released ? released : released.error().within("let the processes go on");
}

}  // namespace tl::guest
