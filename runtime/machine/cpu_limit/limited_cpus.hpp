// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "runtime/machine/cpu_limit/cgroup_quota.hpp"
#include "runtime/machine/cpu_limit/cpu_budget.hpp"

namespace tl::machine {

// Whatever uses up a guest's CPU time and can be made to rest: the process of an emulator, the threads of
// vCPUs. One thread.
class LimitedCpus {
 public:
  virtual ~LimitedCpus() = default;

  // Leaves it to the host's kernel to keep the limit; nothing where we may not.
  [[nodiscard]] virtual std::optional<CgroupQuota> try_quota(double limit) = 0;
  // CPU time used so far; nothing when it has ended.
  [[nodiscard]] virtual std::optional<CpuBudget::Duration> cpu_time() const = 0;
  virtual void rest() = 0;
  virtual void go_on() = 0;

 protected:
  LimitedCpus() = default;
  LimitedCpus(const LimitedCpus&) = delete;
  LimitedCpus& operator=(const LimitedCpus&) = delete;
};

}  // namespace tl::machine
