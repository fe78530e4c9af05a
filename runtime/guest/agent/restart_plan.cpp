// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/restart_plan.hpp"

#include <algorithm>

namespace tl::guest {

std::chrono::milliseconds RestartPlan::first_pause() const {
  return std::min(detach_.initial_backoff, detach_.max_backoff);
}

std::optional<std::chrono::milliseconds> RestartPlan::next(const ExecExit& exit,
                                                           std::chrono::milliseconds ran) {
  const bool failed = exit.kind != ExecExit::Kind::kExited || exit.value != 0;
  if (detach_.restart == Detachment::Restart::kNever) return std::nullopt;
  if (detach_.restart == Detachment::Restart::kOnFailure && !failed) return std::nullopt;
  if (detach_.max_restarts && automatic_ >= *detach_.max_restarts) return std::nullopt;
  ++automatic_;
  if (ran >= kSteadyRun) pause_ = first_pause();
  const auto pause = pause_;
  pause_ = std::min(pause_ * 2, detach_.max_backoff);  // both at most kMaxBackoff: no overflow
  return pause;
}

}  // namespace tl::guest
