// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/initramfs.hpp"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>

#include <optional>

#include "common/io.hpp"

extern "C" const std::byte tl_initramfs_begin[];
extern "C" const std::byte tl_initramfs_end[];

namespace tl::guest {
namespace {

// Where an address of this program's read-only data is in its file.
struct Search {
  std::uintptr_t address = 0;
  std::optional<std::uint64_t> offset = {};
};

// The first object that is told of is the program itself, which has the data.
int look_into(dl_phdr_info* program, std::size_t, void* context) {
  auto& search = *static_cast<Search*>(context);
  for (int i = 0; i < program->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = program->dlpi_phdr[i];
    const std::uintptr_t start = program->dlpi_addr + segment.p_vaddr;
    if (segment.p_type != PT_LOAD || search.address < start || search.address - start >= segment.p_filesz)
      continue;
    search.offset = segment.p_offset + (search.address - start);
  }
  return 1;
}

}  // namespace

std::span<const std::byte> initramfs() {
  return {tl_initramfs_begin, tl_initramfs_end};
}

Result<FilePart> initramfs_in_program() {
  Search search{reinterpret_cast<std::uintptr_t>(tl_initramfs_begin)};
  ::dl_iterate_phdr(look_into, &search);
  TL_CHECK(search.offset.has_value());
  auto program = open_at(AT_FDCWD, "/proc/self/exe", O_RDONLY);
  if (!program) return program.error();
  return FilePart{*std::move(program), *search.offset, initramfs().size()};
}

Result<FilePart> initramfs_file() {
  UniqueFd file(::memfd_create("initramfs", MFD_CLOEXEC));
  if (!file) return errno_error("memfd_create");
  if (auto written = write_all(file.get(), initramfs()); !written)
    return written.error().within("write the initramfs");
  return FilePart{std::move(file), 0, initramfs().size()};
}

}  // namespace tl::guest
