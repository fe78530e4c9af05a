// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <vector>

namespace tl::machine::kvm {

// All that KVM knows of a vCPU and that a guest can notice; plain data.
struct VcpuState {
  kvm_mp_state mp_state = {};
  kvm_regs registers = {};
  kvm_sregs system = {};
  std::vector<std::byte> xsave;  // as KVM_GET_XSAVE2 has it, 4096 bytes or more
  kvm_xcrs xcrs = {};
  kvm_debugregs debug = {};
  kvm_lapic_state apic = {};
  kvm_vcpu_events events = {};
  std::vector<kvm_msr_entry> msrs;
};

}  // namespace tl::machine::kvm
