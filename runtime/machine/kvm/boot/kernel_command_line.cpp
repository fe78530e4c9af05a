// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/boot/kernel_command_line.hpp"

#include <fmt/format.h>

#include "runtime/machine/kvm/layout.hpp"

namespace tl::machine::kvm {

std::string kernel_command_line(const MachineSpec& spec, std::size_t devices, std::uint32_t tsc_khz) {
  std::string line = base_command_line();
  // KVM's local APIC counts nanoseconds.
  line += fmt::format(" machine_clocks={},1000000 tsc=reliable", tsc_khz);
  for (std::size_t i = 0; i < devices; ++i) {
    line += fmt::format(" virtio_mmio.device=4K@{:#x}:{}", layout::device_window(i).value,
                        layout::kDeviceLines.at(i));
  }
  if (!spec.command_line.empty()) line += " " + spec.command_line;
  return line;
}

}  // namespace tl::machine::kvm
