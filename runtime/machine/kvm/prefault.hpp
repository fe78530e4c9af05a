// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "common/guest_memory.hpp"
#include "runtime/machine/kvm/vcpu.hpp"
#include "runtime/machine/machine.hpp"

namespace tl::machine::kvm {

// Has the vCPU's KVM map these pages of its guest's memory (Vcpu::prefault), as far as there are such.
// Whatever it does not do, the guest's own faults will. By the thread that is about to run the vCPU.
void prefault(Vcpu& vcpu, const GuestMemory& memory, std::span<const RamRange> ranges);

}  // namespace tl::machine::kvm
