// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "runtime/machine/kvm/kvm_cpuid.hpp"

namespace tl::machine::kvm {

// What one vCPU is among the others: all are cores of one package, each with one thread, numbered from 0 as
// their local APICs are.
struct CpuPlace {
  unsigned index = 0;
  unsigned count = 1;
};

// Makes what KVM supports into what a vCPU's CPUID says: its place (leaves 1, 4, 0xb, 0x80000008, 0x8000001d
// and 0x8000001e), the TSC deadline timer, which KVM does not list, and neither nested virtualization nor
// performance counters, which a sandbox has no business with. Intel SDM vol. 2, CPUID; AMD APM vol. 3, app.
// E.
void prepare_cpuid(CpuidTable& table, const CpuPlace& place, bool tsc_deadline);

}  // namespace tl::machine::kvm
