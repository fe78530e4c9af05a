// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/result.hpp"

// The NBD protocol's numbers, with its own names (doc/proto.md of the NBD project), and its bytes on a
// blocking stream socket. <linux/nbd.h> has only the part that a kernel client needs.
namespace tl::storage::nbd {

inline constexpr std::uint64_t kInitMagic = 0x4e42444d41474943;    // "NBDMAGIC"
inline constexpr std::uint64_t kOptionMagic = 0x49484156454f5054;  // "IHAVEOPT"
inline constexpr std::uint64_t kOptionReplyMagic = 0x3e889045565a9;
inline constexpr std::uint32_t kRequestMagic = 0x25609513;
inline constexpr std::uint32_t kSimpleReplyMagic = 0x67446698;

// Handshake flags; the client's have the same numbers.
inline constexpr std::uint16_t NBD_FLAG_FIXED_NEWSTYLE = 1 << 0;
inline constexpr std::uint16_t NBD_FLAG_NO_ZEROES = 1 << 1;

enum Option : std::uint32_t {
  NBD_OPT_EXPORT_NAME = 1,
  NBD_OPT_ABORT = 2,
  NBD_OPT_LIST = 3,
  NBD_OPT_INFO = 6,
  NBD_OPT_GO = 7,
};

enum OptionReply : std::uint32_t {
  NBD_REP_ACK = 1,
  NBD_REP_SERVER = 2,
  NBD_REP_INFO = 3,
  NBD_REP_ERR_UNSUP = 0x80000001,
  NBD_REP_ERR_INVALID = 0x80000003,
  NBD_REP_ERR_UNKNOWN = 0x80000006,
};

inline constexpr std::uint16_t NBD_INFO_EXPORT = 0;
inline constexpr std::uint16_t NBD_INFO_BLOCK_SIZE = 3;

// Transmission flags.
inline constexpr std::uint16_t NBD_FLAG_HAS_FLAGS = 1 << 0;
inline constexpr std::uint16_t NBD_FLAG_SEND_FLUSH = 1 << 2;
inline constexpr std::uint16_t NBD_FLAG_SEND_FUA = 1 << 3;
inline constexpr std::uint16_t NBD_FLAG_SEND_TRIM = 1 << 5;
inline constexpr std::uint16_t NBD_FLAG_SEND_WRITE_ZEROES = 1 << 6;

enum Command : std::uint16_t {
  NBD_CMD_READ = 0,
  NBD_CMD_WRITE = 1,
  NBD_CMD_DISC = 2,
  NBD_CMD_FLUSH = 3,
  NBD_CMD_TRIM = 4,
  NBD_CMD_WRITE_ZEROES = 6,
};

inline constexpr std::uint16_t NBD_CMD_FLAG_FUA = 1 << 0;
inline constexpr std::uint16_t NBD_CMD_FLAG_NO_HOLE = 1 << 1;

// Error numbers of replies are those of Linux, whatever the host.
inline constexpr std::uint32_t NBD_EIO = 5;
inline constexpr std::uint32_t NBD_EINVAL = 22;
inline constexpr std::uint32_t NBD_ENOSPC = 28;

// Requests that a client sees to by itself are at most this long: as long as the buffer they go through, so
// that an error can still be reported when any of it fails.
inline constexpr std::uint32_t kMaxBlockBytes = 1 << 20;
// What is taken from a client that does not ask, as the protocol wants.
inline constexpr std::uint32_t kMaxPayloadBytes = 32 << 20;

// A message being written, big-endian.
class Message {
 public:
  template <std::unsigned_integral T>
  Message& put(T value) {
    for (std::size_t i = sizeof(T); i-- > 0;) bytes_.push_back(static_cast<std::byte>(value >> (8 * i)));
    return *this;
  }
  Message& put_zeroes(std::size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }
  Message& put(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// A message being read, big-endian. Reading beyond the end gives zeroes and makes it !ok().
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : left_(bytes) {}

  template <std::unsigned_integral T>
  T get() {
    T value = 0;
    for (const std::byte b : take(sizeof(T)))
      value = static_cast<T>(static_cast<std::uint64_t>(value) << 8 | std::to_integer<std::uint64_t>(b));
    return value;
  }
  std::span<const std::byte> take(std::size_t count) {
    if (count > left_.size()) {
      ok_ = false;
      left_ = {};
      return {};
    }
    const auto taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return left_.empty(); }

 private:
  std::span<const std::byte> left_;
  bool ok_ = true;
};

// Fills `into`. False when the peer has closed the connection before the first byte; in the middle is an
// error.
Result<bool> receive(int socket, std::span<std::byte> into);
// Never raises SIGPIPE.
Result<void> send(int socket, std::span<const std::byte> head, std::span<const std::byte> body = {});

}  // namespace tl::storage::nbd
