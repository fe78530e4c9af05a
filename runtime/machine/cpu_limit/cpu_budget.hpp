// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace tl::machine {

// The arithmetic of a duty cycle: how long a process may run and must rest so that on average it uses `limit`
// CPU seconds a second. What it used beyond is remembered and paid back; what it left unused is kept for one
// period at most. Pure.
class CpuBudget {
 public:
  using Duration = std::chrono::duration<double>;
  static constexpr Duration kPeriod = std::chrono::milliseconds(50);

  struct Step {
    bool run;        // else it rests
    Duration after;  // when to look again
  };

  // `limit` > 0 CPU seconds a second of a process that could use `parallel` > limit of them.
  CpuBudget(double limit, double parallel) : limit_(limit), parallel_(parallel), saved_(limit * kPeriod) {}

  // `elapsed` and `used` (CPU time) since the last call.
  Step update(Duration elapsed, Duration used);

 private:
  double limit_;
  double parallel_;
  Duration saved_;  // negative: debt
  bool running_ = true;
};

}  // namespace tl::machine
