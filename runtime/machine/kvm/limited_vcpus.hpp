// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/machine/cpu_limit/limited_cpus.hpp"
#include "runtime/machine/kvm/vcpu_set.hpp"

namespace tl::machine::kvm {

// The vCPUs of a machine in this process: only their threads are limited, devices and the control thread are
// not.
class LimitedVcpus final : public LimitedCpus {
 public:
  explicit LimitedVcpus(VcpuSet& vcpus) : vcpus_(&vcpus) {}
  // The vCPUs are about to go.
  void forget() { vcpus_ = nullptr; }

  [[nodiscard]] std::optional<CgroupQuota> try_quota(double limit) override;
  [[nodiscard]] std::optional<CpuBudget::Duration> cpu_time() const override;
  void rest() override;
  void go_on() override;

 private:
  VcpuSet* vcpus_;
};

}  // namespace tl::machine::kvm
