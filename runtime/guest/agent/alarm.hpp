// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

namespace tl::guest {

// The time source of a lease: strikes once, unless it is cancelled or set again before. One io_context
// thread.
class Alarm {
 public:
  virtual ~Alarm() = default;
  virtual void set(std::chrono::milliseconds after, std::function<void()> strike) = 0;
  virtual void cancel() = 0;
};

// By CLOCK_MONOTONIC, which stands still while the machine does.
class TimerAlarm final : public Alarm {
 public:
  explicit TimerAlarm(const asio::any_io_executor& executor) : timer_(executor) {}

  void set(std::chrono::milliseconds after, std::function<void()> strike) override {
    timer_.expires_after(after);
    // The number tells an alarm whose time had come just when it was cancelled.
    timer_.async_wait(
        [this, number = ++number_, strike = std::move(strike)](const asio::error_code& cancelled) {
          if (!cancelled && number == number_) strike();
        });
  }
  void cancel() override {
    ++number_;
    timer_.cancel();
  }

 private:
  asio::steady_timer timer_;
  unsigned number_ = 0;
};

}  // namespace tl::guest
