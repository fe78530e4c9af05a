// SPDX-License-Identifier: Apache-2.0
#include "common/io.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace tl {

Result<UniqueFd> open_at(int dir_fd, const std::string& path, int flags, unsigned mode) {
  int fd = -1;
  do fd = ::openat(dir_fd, path.c_str(), flags | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) return errno_error("open " + path);
  return UniqueFd(fd);
}

Result<void> write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> write_all(int fd, std::string_view text) {
  return write_all(fd, std::as_bytes(std::span(text.data(), text.size())));
}

Result<void> pwrite_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<void> read_exact(int fd, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::read(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read");
    if (n == 0) return Error{ErrorCode::kFailure, "read: unexpected end", ""};
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> pread_exact(int fd, std::span<std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read");
    if (n == 0) return Error{ErrorCode::kFailure, "read: unexpected end", ""};
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

namespace {

enum class End { kNothingRead, kShortRead };

Result<std::string> read_until(End end, int fd, std::size_t limit) {
  constexpr std::size_t kStep = 4096;
  std::string text;
  for (;;) {
    const std::size_t have = text.size();
    text.resize(have + kStep);
    const ssize_t n = ::read(fd, text.data() + have, kStep);
    if (n < 0 && errno == EINTR) {
      text.resize(have);
      continue;
    }
    if (n < 0) return errno_error("read");
    const auto got = static_cast<std::size_t>(n);
    text.resize(have + got);
    if (text.size() > limit) return Error{ErrorCode::kFailure, "read: larger than allowed", ""};
    if (got == 0 || (end == End::kShortRead && got < kStep)) return text;
  }
}

}  // namespace

Result<std::string> read_to_end(int fd, std::size_t limit) {
  return read_until(End::kNothingRead, fd, limit);
}

Result<std::string> read_regular(int fd, std::size_t limit) {
  return read_until(End::kShortRead, fd, limit);
}

Result<std::string> read_file(int dir_fd, const std::string& path, std::size_t limit) {
  auto fd = open_at(dir_fd, path, O_RDONLY);
  if (!fd) return fd.error();
  auto text = read_to_end(fd->get(), limit);
  if (!text) return text.error().within(path);
  return text;
}

}  // namespace tl
