// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "common/log.hpp"

namespace tl {

// What a guest did wrong: every fault is counted, and one line in kQuiet goes to the log, because the guest
// decides how many there are. Any thread; the log outlives it.
class FaultLog {
 public:
  static constexpr std::chrono::seconds kQuiet{10};

  FaultLog(const Log& log, std::string who) : log_(log), who_(std::move(who)) {}

  void note(std::string_view what);
  [[nodiscard]] std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  const Log& log_;
  std::string who_;
  std::atomic<std::uint64_t> count_ = 0;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point next_;
  std::uint64_t logged_count_ = 0;
};

}  // namespace tl
