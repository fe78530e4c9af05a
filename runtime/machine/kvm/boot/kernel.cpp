// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/boot/kernel.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstring>

#include "runtime/machine/kvm/boot/kernel_file.hpp"

namespace tl::machine::kvm {
namespace {

Result<LoadedKernel> load(int fd, const GuestMemory& memory, BootProtocol preferred) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) return errno_error("fstat");
  KernelFile file(fd, static_cast<std::uint64_t>(status.st_size));
  if (auto read = file.read_head(); !read) return read.error();
  // A kernel of the other format is longer than this, too.
  const auto head = file.read<Elf64_Ehdr>(0);
  if (!head) return head.error();
  if (std::memcmp(head->e_ident, ELFMAG, SELFMAG) == 0) return load_elf(file, *head, memory, preferred);
  return load_bzimage(file, memory);
}

}  // namespace

Result<LoadedKernel> load_kernel(const std::filesystem::path& path, const GuestMemory& memory,
                                 BootProtocol preferred) {
  const auto fd = open_at(AT_FDCWD, path.string(), O_RDONLY);
  if (!fd) return fd.error().within("load the kernel");
  auto loaded = load(fd->get(), memory, preferred);
  if (!loaded) return loaded.error().within("load the kernel " + path.string());
  return loaded;
}

}  // namespace tl::machine::kvm
