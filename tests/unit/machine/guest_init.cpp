// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/machine/guest_init.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "common/child_process.hpp"
#include "common/io.hpp"
#include "runtime/machine/tcg/tcg_machine.hpp"

extern "C" const char tl_test_init[], tl_test_init_end[], tl_test_init_command[];

namespace tl::machine::test {
namespace {

void pad(std::string& archive) {
  while (archive.size() % 4 != 0) archive += '\0';
}

// Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
void add_entry(std::string& archive, std::string_view name, unsigned mode, unsigned rdev_major,
               unsigned rdev_minor, std::string_view contents) {
  archive +=
      fmt::format("070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}", 0,
                  mode, 0, 0, 1, 0, contents.size(), 0, 0, rdev_major, rdev_minor, name.size() + 1, 0);
  archive += name;
  archive += '\0';
  pad(archive);
  archive += contents;
  pad(archive);
}

}  // namespace

FilePart initramfs_with_init(char command) {
  std::string program(tl_test_init, tl_test_init_end);
  program.at(static_cast<std::size_t>(tl_test_init_command - tl_test_init)) = command;
  std::string archive;
  add_entry(archive, "dev", S_IFDIR | 0755, 0, 0, "");
  add_entry(archive, "dev/console", S_IFCHR | 0600, 5, 1, "");
  add_entry(archive, "init", S_IFREG | 0755, 0, 0, program);
  add_entry(archive, "TRAILER!!!", 0, 0, 0, "");
  UniqueFd file(::memfd_create("initramfs", MFD_CLOEXEC));
  if (!write_all(file.get(), archive)) throw std::runtime_error("memfd");
  return FilePart{std::move(file), 0, archive.size()};
}

std::optional<std::string> tcg_test_kernel() {
  const char* path = std::getenv("TL_TEST_KERNEL");
  if (path == nullptr || ::access(path, R_OK) != 0) {
    std::cerr << "skipped: TL_TEST_KERNEL names no kernel\n";
    return std::nullopt;
  }
  if (!find_program(TcgMachine::kQemu)) {
    std::cerr << "skipped: " << TcgMachine::kQemu << " is not installed\n";
    return std::nullopt;
  }
  return path;
}

}  // namespace tl::machine::test
