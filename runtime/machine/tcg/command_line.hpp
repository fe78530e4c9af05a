// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/machine/machine.hpp"

namespace tl::machine {

// The descriptors at which the QEMU child finds what it inherits. The optional ones are absent from the
// machine when the wiring lacks them; a saved machine needs no initramfs.
struct QemuDescriptors {
  int qmp = 3;
  int console = 4;
  int initramfs = 5;
  int disk = 6;   // -1: no disk
  int agent = 7;  // -1: no agent port
  int memory = 8;
  int network = 9;  // -1: no network card
};

// The whole command line, the program first. A saved machine waits for `migrate-incoming`, and has the same
// devices as the one that was saved when the same descriptors are there.
// `tsc_khz`: the rate of the host's time stamp counter, nullopt when the guest has to measure it.
std::vector<std::string> qemu_command_line(const std::string& qemu, const MachineSpec& spec,
                                           const QemuDescriptors& descriptors,
                                           std::optional<std::uint32_t> tsc_khz);

// What the guest kernel is told: the common part, what suits an emulated processor, and the caller's.
std::string qemu_kernel_command_line(const MachineSpec& spec, std::optional<std::uint32_t> tsc_khz);

}  // namespace tl::machine
