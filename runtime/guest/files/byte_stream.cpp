// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/files/byte_stream.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "common/io.hpp"
#include "runtime/guest/files/new_file.hpp"

namespace tl::guest {
namespace {

constexpr std::size_t kLength = 4;
constexpr mode_t kPermissions = 0644;

// False when nobody reads.
Result<bool> write_or_notice(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EPIPE) return false;
    if (n < 0 && errno != EINTR) return errno_error("write");
    if (n > 0) bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

// Until something can be read; false when nobody would take it.
bool wait_for_input(int from, int to) {
  pollfd fds[] = {{from, POLLIN, 0}, {to, 0, 0}};
  while (::poll(fds, 2, -1) < 0 && errno == EINTR) {
  }
  return (fds[1].revents & POLLERR) == 0;
}

// Reads after `head` bytes that are left free. 0 at the end.
Result<std::size_t> read_after(std::size_t head, int fd, std::vector<std::byte>& buffer) {
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data() + head, buffer.size() - head);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EAGAIN) {
      wait_for_input(fd, -1);
    } else if (errno != EINTR) {
      return errno_error("read");
    }
  }
}

void put_length(std::vector<std::byte>& chunk, std::size_t length) {
  for (std::size_t i = 0; i < kLength; ++i) {
    chunk[i] = static_cast<std::byte>((length >> (8 * (kLength - 1 - i))) & 0xFF);
  }
}

}  // namespace

Result<Sent> send_chunks(int from, int to) {
  std::vector<std::byte> chunk(kLength + kMaxChunk);
  Sent sent;
  for (;;) {
    sent.complete = wait_for_input(from, to);
    if (!sent.complete) return sent;
    const auto length = read_after(kLength, from, chunk);
    if (!length) return length.error();
    put_length(chunk, *length);
    const auto taken = write_or_notice(to, std::span(chunk).first(kLength + *length));
    if (!taken) return taken.error();
    sent.complete = *taken;
    if (!sent.complete || *length == 0) return sent;
    sent.bytes += *length;
  }
}

Result<std::uint64_t> receive_chunks(int from, const Destination& destination) {
  const auto landing = find_landing(destination, CopyKind::kFile);
  if (!landing) return landing.error();
  auto file = NewFile::create(landing->folder.get(), landing->name, landing->shown);
  if (!file) return file.error();
  std::vector<std::byte> chunk(kMaxChunk);
  std::uint64_t bytes = 0;
  for (;;) {
    std::array<std::byte, kLength> head{};
    if (!read_exact(from, head)) break;
    std::size_t length = 0;
    for (const std::byte each : head) length = length << 8 | std::to_integer<std::size_t>(each);
    if (length == 0) {
      if (auto there = file->publish(kPermissions, nullptr); !there) return there.error();
      return bytes;
    }
    if (length > chunk.size() || !read_exact(from, std::span(chunk).first(length))) break;
    if (auto written = write_all(file->fd(), std::span(chunk).first(length)); !written) {
      return written.error().within(landing->shown);
    }
    bytes += length;
  }
  return Error{ErrorCode::kFailure, "the copy broke off before its end", ""};
}

Result<Sent> send_file(const std::string& path, int to) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file && errno == ENOENT) return Error{ErrorCode::kNotFound, "there is no file " + path, ""};
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return errno_error("open " + path);
  if (S_ISDIR(status.st_mode)) {
    return Error{ErrorCode::kConflict, path + " is a folder, and a stream has room for one file", ""};
  }
  if (!S_ISREG(status.st_mode)) {
    return Error{ErrorCode::kConflict, path + " is neither a file nor a folder", ""};
  }
  std::vector<std::byte> buffer(kMaxChunk);
  Sent sent;
  for (;;) {
    const auto length = read_after(0, file.get(), buffer);
    if (!length) return length.error().within(path);
    if (*length == 0) return sent;
    const auto taken = write_or_notice(to, std::span(buffer).first(*length));
    if (!taken) return taken.error();
    sent.complete = *taken;
    if (!*taken) return sent;
    sent.bytes += *length;
  }
}

}  // namespace tl::guest
