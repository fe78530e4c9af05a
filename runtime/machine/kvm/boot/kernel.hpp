// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "common/guest_memory.hpp"
#include "common/result.hpp"

namespace tl::machine::kvm {

// How a kernel is entered.
enum class BootProtocol {
  kLinux64,  // Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst): paging on, boot_params in RSI
  kPvh,      // Xen's PVH (docs/misc/pvh.pandoc): 32 bits, paging off, hvm_start_info in EBX
};

// A kernel in the guest's memory.
struct LoadedKernel {
  BootProtocol protocol = BootProtocol::kLinux64;
  GuestAddr entry;
  GuestAddr end;  // of what it occupies from the start on
  // A bzImage's setup header, to be handed back to the kernel in boot_params; an ELF file has none.
  std::vector<std::byte> setup_header;
};

// Reads an ELF executable for x86-64 or a bzImage into the guest's memory. `preferred` decides for an ELF
// file that can be entered both ways. The file is not trusted: kOutOfRange when it is damaged, no kernel, or
// does not fit.
Result<LoadedKernel> load_kernel(const std::filesystem::path& file, const GuestMemory& memory,
                                 BootProtocol preferred = BootProtocol::kLinux64);

}  // namespace tl::machine::kvm
