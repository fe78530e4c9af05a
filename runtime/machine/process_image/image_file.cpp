// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/process_image/image_file.hpp"

#include <elf.h>

#include <array>
#include <cstring>
#include <vector>

#include "common/io.hpp"

extern "C" {
extern const std::byte tl_process_player_begin[];
extern const std::byte tl_process_player_end[];
}

namespace tl::machine {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kEntryOffset = 512;  // in the first page, behind the headers
constexpr std::size_t kMaxNoteBytes = 1 << 20;
constexpr std::size_t kMaxSegments = (kEntryOffset - sizeof(Elf64_Ehdr)) / sizeof(Elf64_Phdr);

using Page = std::array<std::byte, kPage>;

Page first_page(std::span<const Elf64_Phdr> segments) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_entry = kProgramAddress + kEntryOffset;
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<std::uint16_t>(segments.size());
  TL_CHECK(segments.size() <= kMaxSegments);

  Page page{};
  std::memcpy(page.data(), &header, sizeof header);
  std::memcpy(page.data() + sizeof header, segments.data(), segments.size_bytes());
  // mov $kCallsAddress, %r15d: where the player begins.
  constexpr std::array<std::uint8_t, 2> kMove = {0x41, 0xbf};
  constexpr auto kCalls = static_cast<std::uint32_t>(kCallsAddress);
  std::byte* at = page.data() + kEntryOffset;
  std::memcpy(at, kMove.data(), kMove.size());
  std::memcpy(at + kMove.size(), &kCalls, sizeof kCalls);
  at += kMove.size() + sizeof kCalls;
  const auto player = std::span(tl_process_player_begin, tl_process_player_end);
  TL_CHECK(at + player.size() <= page.data() + page.size());
  std::memcpy(at, player.data(), player.size());
  return page;
}

}  // namespace

Result<void> make_program(int file, std::uint64_t position, const ImageProgram& program) {
  if (program.calls.size() > kDataAddress - kCallsAddress || program.data.size() > kImageEnd - kDataAddress ||
      program.note.size() > kMaxNoteBytes)
    return Error{ErrorCode::kFailure, "an image cannot have so many parts", ""};
  std::vector<Elf64_Phdr> segments;
  const auto add = [&](std::uint32_t type, std::uint64_t address,
                       std::span<const std::byte> bytes) -> Result<void> {
    segments.push_back({type, PF_R | PF_W, position, address, address, bytes.size(), bytes.size(), kPage});
    auto written = pwrite_all(file, bytes, position);
    position += (bytes.size() + kPage - 1) / kPage * kPage;
    return written;
  };
  if (auto added = add(PT_LOAD, kCallsAddress, program.calls); !added) return added;
  if (auto added = add(PT_LOAD, kDataAddress, program.data); !added) return added;
  if (auto added = add(PT_NOTE, 0, std::as_bytes(std::span(program.note))); !added) return added;
  segments.insert(segments.begin(),
                  {PT_LOAD, PF_R | PF_X, 0, kProgramAddress, kProgramAddress, kPage, kPage, kPage});
  // Else all memory that can be read could be executed.
  segments.push_back({PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 0});
  return pwrite_all(file, first_page(segments), 0);
}

Result<std::string> read_note(int file) {
  const Error none{ErrorCode::kFailure, "it is no image of a process", ""};
  Page page{};
  if (auto read = pread_exact(file, page, 0); !read) return none;
  Elf64_Ehdr header{};
  std::memcpy(&header, page.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_phoff != sizeof header ||
      header.e_phnum > kMaxSegments || header.e_entry != kProgramAddress + kEntryOffset)
    return none;
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    std::memcpy(&segment, page.data() + sizeof header + i * sizeof segment, sizeof segment);
    if (segment.p_type != PT_NOTE) continue;
    if (segment.p_filesz > kMaxNoteBytes) return none;
    std::string note(segment.p_filesz, '\0');
    auto read = pread_exact(file, std::as_writable_bytes(std::span(note)), segment.p_offset);
    if (!read) return none;
    return note;
  }
  return none;
}

}  // namespace tl::machine
