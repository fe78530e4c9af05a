// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "runtime/machine/kvm/kvm_cpuid.hpp"

namespace tl::machine::kvm {

// What a saved machine was told of its processor, for people and for comparing: "AuthenticAMD 25.1.1
// 1f2e3d4c". The digits at the end are a checksum of all that KVM supports, without what differs from one
// core to the next.
[[nodiscard]] std::string cpu_fingerprint(const CpuidTable& supported);

}  // namespace tl::machine::kvm
