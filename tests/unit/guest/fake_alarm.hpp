// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "runtime/guest/agent/alarm.hpp"

namespace tl::guest::test {

// The test moves its time.
struct FakeAlarm final : Alarm {
  void set(std::chrono::milliseconds after, std::function<void()> strike) override {
    left = after;
    strike_ = std::move(strike);
  }
  void cancel() override { left.reset(); }

  void advance(std::chrono::milliseconds time) {
    if (!left) return;
    *left -= time;
    if (left->count() > 0) return;
    left.reset();
    const auto strike = std::move(strike_);
    strike();
  }

  std::optional<std::chrono::milliseconds> left;  // none: it is not set

 private:
  std::function<void()> strike_;
};

}  // namespace tl::guest::test
