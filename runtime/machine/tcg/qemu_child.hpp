// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/child_process.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/machine/machine.hpp"
#include "runtime/machine/tcg/command_line.hpp"

namespace tl::machine {

// What a QEMU inherits from whoever makes the machine; borrowed. -1 is "none", which the memory cannot be.
struct QemuInheritance {
  int memory = -1;
  int disk = -1;
  int agent = -1;
  int network = -1;
};

// A QEMU that runs, and our ends of what it is connected to.
struct QemuChild {
  ChildProcess process;
  UniqueFd pidfd;           // another one than `process` has
  UniqueFd control;         // QMP
  UniqueFd console;         // the guest's serial console
  UniqueFd errors;          // what QEMU prints
  QemuDescriptors numbers;  // what it has inherited
};

// Starts it, or the one that was kept as spec.process_image: in a process group of its own, with no
// descriptors but those named, to die with this thread. kFailure when the memory is not memory_mib large,
// kHostLacks when the image is not for this host as it is now.
Result<QemuChild> start_qemu(const std::string& program, const MachineSpec& spec,
                             const QemuInheritance& inheritance, std::optional<std::uint32_t> tsc_khz);

}  // namespace tl::machine
