// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/archive_kind.hpp"

#include <unistd.h>

#include <array>
#include <string_view>

namespace tl::build {
namespace {

struct Magic {
  std::size_t at;
  std::string_view bytes;
  const char* filter;
};

using namespace std::string_view_literals;
constexpr std::array<Magic, 5> kMagics = {{{0, "\x1f\x8b"sv, "gzip"},
                                           {0, "BZh"sv, "bzip2"},
                                           {0,
                                            "\xfd"
                                            "7zXZ\0"sv,
                                            "xz"},
                                           {0, "\x28\xb5\x2f\xfd"sv, "zstd"},
                                           {257, "ustar"sv, "cat"}}};
constexpr std::size_t kHeader = 512;

}  // namespace

Result<std::string> archive_filter(int fd) {
  std::array<char, kHeader> header{};
  const ssize_t n = ::pread(fd, header.data(), header.size(), 0);
  if (n < 0) return errno_error("read");
  const std::string_view begins(header.data(), static_cast<std::size_t>(n));
  for (const Magic& magic : kMagics) {
    if (begins.size() >= magic.at && begins.substr(magic.at).starts_with(magic.bytes))
      return std::string(magic.filter);
  }
  return std::string();
}

}  // namespace tl::build
