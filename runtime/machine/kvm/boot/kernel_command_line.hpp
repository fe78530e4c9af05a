// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/machine/machine.hpp"

namespace tl::machine::kvm {

// What the kernel is told beside the machine's own base: where its devices are, of which it has `devices`,
// and its clocks' rates, which it would otherwise take time to measure, and wake up twice a second to check.
std::string kernel_command_line(const MachineSpec& spec, std::size_t devices, std::uint32_t tsc_khz);

}  // namespace tl::machine::kvm
