// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "common/file_part.hpp"
#include "common/guest_memory.hpp"
#include "common/result.hpp"
#include "runtime/machine/kvm/boot/kernel.hpp"

namespace tl::machine::kvm {

// The longest command line that an x86 kernel takes, its NUL not counted.
inline constexpr std::size_t kCommandLineBytes = 2047;

// What firmware and a boot loader would have put into the guest's memory for a kernel, apart from the kernel.
struct BootInfo {
  std::string command_line;
  const FilePart* initramfs = nullptr;  // borrowed; absent, or without a file: none
  unsigned vcpus = 1;
};

// Writes the command line, the initramfs, the memory map with boot_params or hvm_start_info, page tables and
// the MultiProcessor table. kOutOfRange when something does not fit.
Result<void> write_boot_info(const GuestMemory& memory, const LoadedKernel& kernel, const BootInfo& info);

}  // namespace tl::machine::kvm
