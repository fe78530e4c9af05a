// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "common/guest_memory.hpp"
#include "common/result.hpp"

namespace tl::machine::kvm {

// Tells a kernel without ACPI of the processors and the I/O APIC (Intel MultiProcessor Specification 1.4,
// chapter 4): the floating pointer and the table behind it, where firmware would have them.
Result<void> write_mp_table(const GuestMemory& memory, unsigned vcpus);

}  // namespace tl::machine::kvm
