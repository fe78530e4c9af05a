// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>
#include <time.h>

#include <chrono>
#include <memory>
#include <optional>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/machine/cpu_limit/cgroup_quota.hpp"
#include "runtime/machine/cpu_limit/cpu_budget.hpp"

namespace tl::machine {

// Keeps a child process, all its threads together, at so many CPU seconds a second on average. By a cgroup
// where we may make one; else by stopping and continuing the whole process, which needs no privilege but
// delays its I/O, too, by up to CpuBudget::kPeriod. One thread.
class CpuLimiter {
 public:
  enum class Method { kBest, kDutyCycle };

  // `pidfd` is duplicated. `parallel`: how many CPUs the process could use at once.
  static Result<std::shared_ptr<CpuLimiter>> start(const asio::any_io_executor& executor, pid_t pid,
                                                   int pidfd, double limit, unsigned parallel,
                                                   Method method = Method::kBest);

  // Ends the limit, at the latest when the process ends. A process that rests now stays stopped: this is for
  // its end.
  void stop();

  [[nodiscard]] const char* method_name() const { return quota_ ? "cgroup" : "duty cycle"; }

 private:
  CpuLimiter(const asio::any_io_executor& executor, double limit, unsigned parallel)
      : budget_(limit, parallel), timer_(executor) {}
  static asio::awaitable<void> run(std::shared_ptr<CpuLimiter> self);

  CpuBudget budget_;
  asio::steady_timer timer_;
  UniqueFd pidfd_;
  clockid_t cpu_clock_ = 0;  // of the process
  std::optional<CgroupQuota> quota_;
  bool stopped_ = false;
};

}  // namespace tl::machine
