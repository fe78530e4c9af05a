// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/result.hpp"
#include "runtime/machine/kvm/serial.hpp"
#include "runtime/machine/kvm/vcpu_state.hpp"
#include "runtime/machine/kvm/vm_state.hpp"

namespace tl::machine::kvm {

// All of a KVM machine but its memory and what is behind its devices; plain data.
struct MachineState {
  std::uint32_t tsc_khz = 0;
  std::uint64_t tsc = 0;  // the first vCPU's, when vm.clock was read
  VmState vm;
  std::vector<VcpuState> vcpus;
  SerialState serial;
  std::vector<std::byte> board;  // Board::save()
};

// What the machine's clock (vm.clock, in nanoseconds) says when the first vCPU's TSC says `tsc`. That may be
// before the moment at which both were read: a vCPU is saved a little earlier, and goes on from there.
[[nodiscard]] std::uint64_t clock_at(const MachineState& state, std::uint64_t tsc);

[[nodiscard]] std::vector<std::byte> to_bytes(const MachineState& state);
// kOutOfRange for bytes that to_bytes() did not make. What they mean is checked by whoever takes the parts.
Result<MachineState> machine_state_from(std::span<const std::byte> bytes);

}  // namespace tl::machine::kvm
