// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>

#include "runtime/machine/cpu_limit/cgroup_quota.hpp"
#include "runtime/machine/cpu_limit/cpu_budget.hpp"
#include "runtime/machine/cpu_limit/limited_cpus.hpp"

namespace tl::machine {

// Keeps a guest's CPUs, all together, at so many CPU seconds a second on average. By a cgroup where we may
// make one; else by a duty cycle of running and resting. One thread.
class CpuLimiter {
 public:
  enum class Method { kBest, kDutyCycle };

  // `parallel`: how many CPUs they could use at once.
  static std::shared_ptr<CpuLimiter> start(const asio::any_io_executor& executor,
                                           std::shared_ptr<LimitedCpus> cpus, double limit, unsigned parallel,
                                           Method method = Method::kBest);

  // Ends the limit, at the latest when the CPUs end. Those that rest now stay so: this is for their end.
  void stop();

  [[nodiscard]] const char* method_name() const { return quota_ ? "cgroup" : "duty cycle"; }

 private:
  CpuLimiter(const asio::any_io_executor& executor, std::shared_ptr<LimitedCpus> cpus, double limit,
             unsigned parallel)
      : cpus_(std::move(cpus)), budget_(limit, parallel), timer_(executor) {}
  static asio::awaitable<void> run(std::shared_ptr<CpuLimiter> self);

  std::shared_ptr<LimitedCpus> cpus_;
  CpuBudget budget_;
  asio::steady_timer timer_;
  std::optional<CgroupQuota> quota_;
  bool stopped_ = false;
};

}  // namespace tl::machine
