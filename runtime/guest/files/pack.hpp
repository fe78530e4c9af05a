// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"

namespace tl::guest {

// What every path in a copy's archive begins with: it has one file or folder, whose name the receiver knows.
inline constexpr const char* kArchiveRoot = "copy";

// More holes than this are not worth their names: what follows is zeroes.
inline constexpr std::size_t kMaxExtents = 65'536;

struct Packed {
  std::uint64_t bytes = 0;          // of the files' contents, holes included
  std::uint64_t left_out = 0;       // devices, sockets and named pipes
  std::string first_left_out = {};  // path
  bool complete = true;             // false: nobody reads the archive any more
};

// Writes the file or folder at `path` (a symbolic link there is followed, others are kept as they are) to the
// descriptor as a tar archive (pax): names as bytes, permissions without set-ID and sticky bits, modification
// times in nanoseconds, hard links within the tree, holes. Owners, access lists and other attributes are not
// in it. Blocks; memory is bounded but for the names of the folders on the way and of hard-linked files.
// kNotFound when there is nothing at `path`; a file that cannot be read ends it.
Result<Packed> pack(const std::string& path, int fd);

// What is to be said of what was left out; one sentence.
std::string left_out(const Packed& packed);

}  // namespace tl::guest
