// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/cpu_limit/cpu_budget.hpp"

#include <algorithm>

namespace tl::machine {

CpuBudget::Step CpuBudget::update(Duration elapsed, Duration used) {
  constexpr Duration kShortest = std::chrono::milliseconds(2);
  saved_ = std::min(saved_ + limit_ * elapsed - used, limit_ * kPeriod);
  // Rests until half a period's worth is there, so that it does not toggle at every look.
  const Duration enough = limit_ * kPeriod / 2;
  if (running_ ? saved_ <= Duration::zero() : saved_ < enough) {
    running_ = false;
    return {false, std::max(kShortest, (enough - saved_) / limit_)};
  }
  running_ = true;
  return {true, std::max(kShortest, saved_ / (parallel_ - limit_))};
}

}  // namespace tl::machine
