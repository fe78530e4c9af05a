// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

// Whole-buffer I/O on blocking descriptors: EINTR and short transfers are handled here and nowhere else.
namespace tl {

// Opens relative to `dir_fd` (AT_FDCWD for none); O_CLOEXEC is added. The error names `path`.
Result<UniqueFd> open_at(int dir_fd, const std::string& path, int flags, unsigned mode = 0);

Result<void> write_all(int fd, std::span<const std::byte> bytes);
Result<void> write_all(int fd, std::string_view text);
Result<void> pwrite_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset);

// Fills `bytes` wholly; a shorter file or stream is an error.
Result<void> read_exact(int fd, std::span<std::byte> bytes);
Result<void> pread_exact(int fd, std::span<std::byte> bytes, std::uint64_t offset);

// Everything up to the end, refused beyond `limit` bytes.
Result<std::string> read_to_end(int fd, std::size_t limit);
// The same of a regular file on a disk, where a read that comes short is the end. In a pipe it is not, nor in
// /proc.
Result<std::string> read_regular(int fd, std::size_t limit);
Result<std::string> read_file(int dir_fd, const std::string& path, std::size_t limit);

}  // namespace tl
