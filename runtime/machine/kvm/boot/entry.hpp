// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/guest_memory.hpp"
#include "common/result.hpp"
#include "runtime/machine/kvm/boot/kernel.hpp"
#include "runtime/machine/kvm/vcpu.hpp"

namespace tl::machine::kvm {

// Puts the first vCPU at a kernel's entry, in the state its boot protocol wants, and writes the descriptor
// table that this state refers to.
Result<void> enter_kernel(Vcpu& vcpu, const GuestMemory& memory, const LoadedKernel& kernel);

}  // namespace tl::machine::kvm
