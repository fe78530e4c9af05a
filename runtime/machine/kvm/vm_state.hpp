// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/kvm.h>

#include <array>

namespace tl::machine::kvm {

// What of a virtual machine is in the kernel beside its vCPUs; plain data.
struct VmState {
  std::array<kvm_irqchip, 3> controllers = {};  // both PICs, the I/O APIC
  kvm_pit_state2 timer = {};
  kvm_clock_data clock = {};
};

}  // namespace tl::machine::kvm
