// SPDX-License-Identifier: Apache-2.0
#include <elf.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "runtime/machine/kvm/boot/kernel.hpp"
#include "runtime/machine/kvm/boot/kernel_file.hpp"

namespace tl::machine::kvm {
namespace {

constexpr std::size_t kMostSegments = 64;
constexpr std::uint64_t kMostNoteBytes = 64 << 10;
constexpr std::uint32_t kXenPhys32Entry = 18;  // XEN_ELFNOTE_PHYS32_ENTRY

bool is_for_us(const Elf64_Ehdr& head) {
  return head.e_ident[EI_CLASS] == ELFCLASS64 && head.e_ident[EI_DATA] == ELFDATA2LSB &&
         head.e_machine == EM_X86_64 && (head.e_type == ET_EXEC || head.e_type == ET_DYN) &&
         head.e_phentsize == sizeof(Elf64_Phdr) && head.e_phnum > 0 && head.e_phnum <= kMostSegments;
}

std::uint64_t aligned(std::uint64_t bytes) {
  return (bytes + 3) & ~std::uint64_t{3};
}

// Notes are part of a segment that has been loaded, or else are read from the file.
Result<std::vector<std::byte>> read_notes(const KernelFile& file, const std::vector<Elf64_Phdr>& segments,
                                          const Elf64_Phdr& notes, const GuestMemory& memory) {
  if (notes.p_filesz > kMostNoteBytes) return KernelFile::damaged("its notes are too long");
  std::vector<std::byte> bytes(notes.p_filesz);
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_LOAD || notes.p_offset < segment.p_offset) continue;
    const std::uint64_t into = notes.p_offset - segment.p_offset;
    if (into > segment.p_filesz || bytes.size() > segment.p_filesz - into) continue;
    if (memory.read(GuestAddr{segment.p_paddr + into}, bytes)) return bytes;
  }
  if (auto read = file.read(notes.p_offset, bytes); !read) return read.error();
  return bytes;
}

// The entry that a note of Xen's names. Every length in a note is the file's.
std::optional<GuestAddr> find_pvh_entry(std::span<const std::byte> notes) {
  const KernelFile::Bytes bytes(notes);
  for (std::uint64_t at = 0;;) {
    const auto note = bytes.get<Elf64_Nhdr>(at);
    if (!note) return std::nullopt;
    const std::uint64_t name_at = at + sizeof(Elf64_Nhdr);
    const std::uint64_t value_at = name_at + aligned(note->n_namesz);
    const auto name = bytes.get<std::array<char, 4>>(name_at);
    if (note->n_type == kXenPhys32Entry && note->n_namesz == 4 && name &&
        *name == std::array{'X', 'e', 'n', '\0'}) {
      if (const auto value = bytes.get<std::uint32_t>(value_at); value && note->n_descsz >= sizeof *value)
        return GuestAddr{*value};
    }
    at = value_at + aligned(note->n_descsz);
  }
}

}  // namespace

Result<LoadedKernel> load_elf(const KernelFile& file, const Elf64_Ehdr& head, const GuestMemory& memory,
                              BootProtocol preferred) {
  if (!is_for_us(head)) return KernelFile::damaged("it is no ELF executable for x86-64");
  std::vector<Elf64_Phdr> segments(head.e_phnum);
  if (auto read = file.read(head.e_phoff, std::as_writable_bytes(std::span(segments))); !read)
    return read.error();

  LoadedKernel kernel;
  std::optional<GuestAddr> pvh_entry;
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_LOAD || segment.p_memsz == 0) continue;
    const GuestAddr start{segment.p_paddr};
    if (segment.p_filesz > segment.p_memsz || !memory.at(start, segment.p_memsz))
      return KernelFile::damaged("a segment does not fit into the guest's memory");
    if (auto loaded = file.load(segment.p_offset, segment.p_filesz, memory, start); !loaded)
      return loaded.error();
    // What follows in memory (.bss) is zeroes, as all of a new guest's memory.
    kernel.end = std::max(kernel.end, start + segment.p_memsz);
  }
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_NOTE) continue;
    const auto notes = read_notes(file, segments, segment, memory);
    if (!notes) return notes.error();
    if (const auto found = find_pvh_entry(*notes)) pvh_entry = found;
  }
  const bool pvh = pvh_entry && preferred == BootProtocol::kPvh;
  kernel.protocol = pvh ? BootProtocol::kPvh : BootProtocol::kLinux64;
  kernel.entry = pvh ? *pvh_entry : GuestAddr{head.e_entry};
  if (!memory.at(kernel.entry, 1)) return KernelFile::damaged("its entry is outside of the guest's memory");
  return kernel;
}

}  // namespace tl::machine::kvm
