// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/limited_vcpus.hpp"

namespace tl::machine::kvm {

std::optional<CgroupQuota> LimitedVcpus::try_quota(double limit) {
  if (vcpus_ == nullptr) return std::nullopt;
  return CgroupQuota::try_apply_to_threads(CgroupQuota::kHierarchy, CgroupQuota::own_groups(),
                                           vcpus_->thread_ids(), limit);
}

std::optional<CpuBudget::Duration> LimitedVcpus::cpu_time() const {
  if (vcpus_ == nullptr) return std::nullopt;
  return vcpus_->cpu_time();
}

void LimitedVcpus::rest() {
  if (vcpus_ != nullptr) vcpus_->hold(VcpuSet::Reason::kThrottled);
}

void LimitedVcpus::go_on() {
  if (vcpus_ != nullptr) vcpus_->let_go(VcpuSet::Reason::kThrottled);
}

}  // namespace tl::machine::kvm
