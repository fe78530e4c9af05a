// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include "common/http2/stream.hpp"
#include "common/result.hpp"
#include "runtime/guest/protocol/messages.hpp"

// The bodies of an exec exchange (POST /v1/exec), both directions: a sequence of frames
//
//     kind: u8 | length: u32, big-endian, ≤ kMaxFramePayload | payload: length bytes
//
// Described in runtime/guest/PROTOCOL.md. The reader takes every byte as hostile.
namespace tl::guest {

inline constexpr std::size_t kFrameHead = 5;
inline constexpr std::size_t kMaxFramePayload = 64 * 1024;

enum class FrameKind : std::uint8_t {
  // to the agent
  kStart = 1,     // CBOR ExecRequest; first, exactly once. May be as long as kMaxStartPayload.
  kStdin = 2,     // bytes; only after a start that asked for a stdin stream
  kStdinEnd = 3,  // empty: end of file on stdin
  kSignal = 4,    // one byte: signal number 1–64, to the process group
  kResize = 5,    // rows and columns, u16 each, big-endian; only to a command with a terminal
  kAttach = 6,    // CBOR AttachRequest; first, in place of kStart, on kAttachPath
  // from the agent
  kStarted = 16,     // CBOR ExecStarted
  kStdout = 17,      // bytes
  kStderr = 18,      // bytes
  kExit = 19,        // CBOR ExecExit; last
  kFailed = 20,      // CBOR ExecFailure; the command did not start; last
  kStdinTaken = 21,  // u32, big-endian: so many more bytes of stdin were taken by the command or discarded
  kLogPiece = 22,    // CBOR LogPiece; only on kLogsPath
};

// Arguments and environment together, as Linux bounds them for one execve (ARG_MAX).
inline constexpr std::size_t kMaxStartPayload = 2 * 1024 * 1024 + 64 * 1024;

// How many bytes of stdin the agent holds for a command that does not read them. A client that never sends
// further ahead than this (counting kStdinTaken) can be sure that its kSignal frames arrive; one that does is
// held up by the stream's flow control until the command reads.
inline constexpr std::size_t kStdinAhead = 256 * 1024;

struct Frame {
  FrameKind kind;
  std::vector<std::byte> payload;
};

// The frame's head and payload as one piece, ready for Stream::write. The payload is within the kind's bound.
// What goes before the payload, for those who send the two one after the other.
std::array<std::byte, kFrameHead> encode_frame_head(FrameKind kind, std::size_t payload_bytes);
std::vector<std::byte> encode_frame(FrameKind kind, std::span<const std::byte> payload);

// The payload of kStdinTaken. kOutOfRange when it is not four bytes.
std::vector<std::byte> encode_u32(std::uint32_t value);
Result<std::uint32_t> decode_u32(std::span<const std::byte> payload);

// The payload of kResize. kOutOfRange when it is not two numbers above 0.
std::vector<std::byte> encode_size(TerminalSize size);
Result<TerminalSize> decode_size(std::span<const std::byte> payload);

// Reads frames from a stream. Not to be shared between coroutines.
class FrameReader {
 public:
  explicit FrameReader(std::shared_ptr<http2::Stream> stream) : stream_(std::move(stream)) {}

  // The next frame; kFailure for an unknown kind, a length beyond the kind's bound, an end inside a frame,
  // and at the end of the stream ("the stream ended"). Memory grows with what has arrived, not with what a
  // length promises.
  asio::awaitable<Result<Frame>> next();

  // True after next() failed because the peer finished its direction between two frames.
  [[nodiscard]] bool at_end() const { return at_end_; }

 private:
  asio::awaitable<Result<void>> fill(std::size_t bytes);
  std::shared_ptr<http2::Stream> stream_;
  std::vector<std::byte> buffer_;  // [begin_, end) is unread
  std::size_t begin_ = 0;
  bool at_end_ = false;
};

}  // namespace tl::guest
