// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/memory_use.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "common/io.hpp"

namespace tl::machine {
namespace {

constexpr std::uint64_t kBlockBytes = 512;  // of st_blocks, whatever the file system's are

// "RssAnon:\t  1234 kB"
std::uint64_t bytes_of(const std::string& status, std::string_view field) {
  const std::size_t at = status.find(field);
  return at == std::string::npos ? 0 : std::strtoull(status.c_str() + at + field.size(), nullptr, 10) * 1024;
}

}  // namespace

std::uint64_t memory_use(pid_t qemu, int memory_file) {
  const auto status = read_file(AT_FDCWD, fmt::format("/proc/{}/status", qemu), 16 << 10);
  struct stat file = {};
  if (!status || ::fstat(memory_file, &file) != 0) return 0;
  return bytes_of(*status, "RssAnon:") + bytes_of(*status, "RssFile:") +
         static_cast<std::uint64_t>(file.st_blocks) * kBlockBytes;
}

}  // namespace tl::machine
