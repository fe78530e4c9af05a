// SPDX-License-Identifier: Apache-2.0
#include <asm/bootparam.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "runtime/machine/kvm/boot/kernel.hpp"
#include "runtime/machine/kvm/boot/kernel_file.hpp"
#include "runtime/machine/kvm/layout.hpp"

// Linux, Documentation/arch/x86/boot.rst.
namespace tl::machine::kvm {
namespace {

constexpr std::uint64_t kSetupHeaderAt = 0x1f1;
constexpr std::uint16_t kBootFlag = 0xaa55;
constexpr std::uint32_t kMagic = 0x53726448;     // "HdrS"
constexpr std::uint16_t kLeastVersion = 0x020c;  // 2.12: xloadflags
constexpr std::uint64_t kSectorBytes = 512;
constexpr std::uint8_t kDefaultSetupSectors = 4;  // when the header says 0
constexpr std::uint64_t kEntry64 = 0x200;         // behind the protected-mode code's start
constexpr std::uint64_t kMostImageBytes = 256 << 20;

}  // namespace

Result<LoadedKernel> load_bzimage(const KernelFile& file, const GuestMemory& memory) {
  const auto header = file.read<setup_header>(kSetupHeaderAt);
  if (!header || header->boot_flag != kBootFlag || header->header != kMagic)
    return KernelFile::damaged("it is neither an ELF executable nor a bzImage");
  if (header->version < kLeastVersion || (header->xloadflags & XLF_KERNEL_64) == 0 ||
      (header->loadflags & LOADED_HIGH) == 0)
    return KernelFile::damaged("it has no 64-bit entry: it is too old, or not for x86-64");
  const std::uint64_t setup_sectors = header->setup_sects == 0 ? kDefaultSetupSectors : header->setup_sects;
  const std::uint64_t code_at = (setup_sectors + 1) * kSectorBytes;
  if (file.bytes() <= code_at + kEntry64 || file.bytes() > kMostImageBytes)
    return KernelFile::damaged("its length cannot be true");

  LoadedKernel kernel;
  const GuestAddr start = layout::kHighMemory;
  const std::uint64_t code_bytes = file.bytes() - code_at;
  if (auto loaded = file.load(code_at, code_bytes, memory, start); !loaded) return loaded.error();
  // It unpacks itself to where it prefers to be, and needs init_size bytes there.
  const std::uint64_t needed = std::max<std::uint64_t>(header->pref_address, start.value) + header->init_size;
  if (!memory.at({0}, needed)) return KernelFile::damaged("it does not fit into the guest's memory");
  kernel.end = GuestAddr{std::max(needed, start.value + code_bytes)};
  kernel.entry = start + kEntry64;
  const auto bytes = std::as_bytes(std::span(&*header, 1));
  kernel.setup_header.assign(bytes.begin(), bytes.end());
  return kernel;
}

}  // namespace tl::machine::kvm
