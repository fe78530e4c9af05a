// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/boot/boot_info.hpp"

#include <asm/bootparam.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "common/io.hpp"
#include "runtime/machine/kvm/boot/mp_table.hpp"
#include "runtime/machine/kvm/boot/pvh.hpp"
#include "runtime/machine/kvm/layout.hpp"

namespace tl::machine::kvm {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint32_t kE820Ram = 1;
constexpr std::uint8_t kUnknownLoader = 0xff;
constexpr std::uint16_t kBootFlag = 0xaa55;
constexpr std::uint32_t kSetupMagic = 0x53726448;
constexpr std::uint32_t kAlignment = 0x1000000;

struct MemoryRange {
  std::uint64_t start;
  std::uint64_t bytes;
};

struct Initramfs {
  GuestAddr start;
  std::uint64_t bytes = 0;
};

Error does_not_fit(const char* what) {
  return Error{ErrorCode::kOutOfRange, std::string(what) + " does not fit into the guest's memory", ""};
}

std::vector<MemoryRange> usable_memory(const GuestMemory& memory) {
  std::vector<MemoryRange> ranges{{0, layout::kBaseMemoryEnd}};
  for (const GuestMemory::Region& region : memory.regions()) {
    const std::uint64_t start = std::max(region.start, layout::kHighMemory).value;
    const std::uint64_t end = region.start.value + region.bytes;
    if (start < end) ranges.push_back({start, end - start});
  }
  return ranges;
}

// As high as it may be: the kernel grows upwards.
Result<Initramfs> load_initramfs(const GuestMemory& memory, const LoadedKernel& kernel,
                                 const FilePart* part) {
  if (part == nullptr || !part->file || part->bytes == 0) return Initramfs{};
  const std::uint64_t bytes = part->bytes;
  const std::uint64_t end = std::min(memory.regions().front().bytes, layout::kInitramfsEnd) & ~(kPage - 1);
  if (bytes > end) return does_not_fit("the initramfs");
  const Initramfs loaded{GuestAddr{(end - bytes) & ~(kPage - 1)}, bytes};
  if (loaded.start < kernel.end) return does_not_fit("the initramfs");
  const auto there = memory.at(loaded.start, bytes);
  if (!there) return does_not_fit("the initramfs");
  const auto read = pread_exact(part->file.get(), *there, part->offset);
  if (!read) return read.error().within("read the initramfs");
  return loaded;
}

Result<void> write_boot_params(const GuestMemory& memory, const LoadedKernel& kernel, const BootInfo& info,
                               const Initramfs& initramfs) {
  boot_params params = {};
  if (kernel.setup_header.empty()) {
    params.hdr.boot_flag = kBootFlag;
    params.hdr.header = kSetupMagic;
    params.hdr.kernel_alignment = kAlignment;
  } else {
    std::memcpy(&params.hdr, kernel.setup_header.data(),
                std::min(sizeof params.hdr, kernel.setup_header.size()));
  }
  params.hdr.type_of_loader = kUnknownLoader;
  params.hdr.cmd_line_ptr = static_cast<std::uint32_t>(layout::kCommandLine.value);
  params.hdr.cmdline_size = static_cast<std::uint32_t>(info.command_line.size());
  params.hdr.ramdisk_image = static_cast<std::uint32_t>(initramfs.start.value);
  params.hdr.ramdisk_size = static_cast<std::uint32_t>(initramfs.bytes);
  for (const MemoryRange& range : usable_memory(memory))
    params.e820_table[params.e820_entries++] = {range.start, range.bytes, kE820Ram};
  if (!memory.store(layout::kBootParams, params)) return does_not_fit("boot_params");
  return {};
}

// The first GiB, where everything is that a kernel needs until it has page tables of its own.
Result<void> write_page_tables(const GuestMemory& memory) {
  constexpr std::uint64_t kPresentWritable = 0x3;
  constexpr std::uint64_t kLarge = 0x80;
  constexpr std::uint64_t kLargeBytes = 2 << 20;
  std::array<std::uint64_t, 3 * 512> tables = {};
  tables[0] = (layout::kPageTables + kPage).value | kPresentWritable;
  tables[512] = (layout::kPageTables + 2 * kPage).value | kPresentWritable;
  for (std::uint64_t i = 0; i < 512; ++i) tables[1024 + i] = i * kLargeBytes | kLarge | kPresentWritable;
  if (!memory.store(layout::kPageTables, tables)) return does_not_fit("the page tables");
  return {};
}

Result<void> write_start_info(const GuestMemory& memory, const Initramfs& initramfs) {
  PvhTables tables;
  tables.info.modules = initramfs.bytes == 0 ? 0 : 1;
  tables.info.module_list = (layout::kPvhStartInfo + offsetof(PvhTables, module)).value;
  tables.info.command_line = layout::kCommandLine.value;
  tables.info.memory_map = (layout::kPvhStartInfo + offsetof(PvhTables, memory)).value;
  tables.module.start = initramfs.start.value;
  tables.module.bytes = initramfs.bytes;
  for (const MemoryRange& range : usable_memory(memory))
    tables.memory.at(tables.info.memory_entries++) = {range.start, range.bytes, kE820Ram, 0};
  if (!memory.store(layout::kPvhStartInfo, tables)) return does_not_fit("the start info");
  return {};
}

Result<void> write_command_line(const GuestMemory& memory, const std::string& line) {
  if (line.size() > kCommandLineBytes)
    return Error{ErrorCode::kOutOfRange,
                 "the kernel's command line is longer than " + std::to_string(kCommandLineBytes) + " bytes",
                 ""};
  const auto bytes = std::as_bytes(std::span(line.c_str(), line.size() + 1));
  if (!memory.write(layout::kCommandLine, bytes)) return does_not_fit("the command line");
  return {};
}

}  // namespace

Result<void> write_boot_info(const GuestMemory& memory, const LoadedKernel& kernel, const BootInfo& info) {
  if (auto done = write_command_line(memory, info.command_line); !done) return done;
  const auto initramfs = load_initramfs(memory, kernel, info.initramfs);
  if (!initramfs) return initramfs.error();
  if (auto done = write_mp_table(memory, info.vcpus); !done) return done;
  if (kernel.protocol == BootProtocol::kPvh) return write_start_info(memory, *initramfs);
  if (auto done = write_page_tables(memory); !done) return done;
  return write_boot_params(memory, kernel, info, *initramfs);
}

}  // namespace tl::machine::kvm
