// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "runtime/guest/protocol/process_messages.hpp"

namespace tl::guest {

// A run of this length was a good one: the next pause is the first again.
inline constexpr std::chrono::milliseconds kSteadyRun{10'000};

// Decides whether and when a process that has ended is started again. Knows no clock.
class RestartPlan {
 public:
  explicit RestartPlan(Detachment detach) : detach_(std::move(detach)), pause_(first_pause()) {}

  // After a run of that length which ended so: the pause before the next. None: it is over.
  std::optional<std::chrono::milliseconds> next(const ExecExit& exit, std::chrono::milliseconds ran);
  // Somebody has started it: as if it had never failed.
  void begin_anew() {
    automatic_ = 0;
    pause_ = first_pause();
  }

 private:
  [[nodiscard]] std::chrono::milliseconds first_pause() const;
  Detachment detach_;
  std::chrono::milliseconds pause_;  // the next
  std::uint64_t automatic_ = 0;      // restarts since somebody started it
};

}  // namespace tl::guest
