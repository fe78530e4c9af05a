// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/protocol/frame.hpp"

#include <algorithm>
#include <cstring>

namespace tl::guest {
namespace {

constexpr std::size_t kLeastRead = 4 * 1024;  // most frames are small
constexpr std::size_t kMostRead = 64 * 1024;

void put_u32(std::byte* at, std::size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) *at++ = static_cast<std::byte>((value >> shift) & 0xFF);
}

std::uint32_t get_u32(const std::byte* at) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(at[i]);
  return value;
}

Error wrong(std::string what) {
  return Error{ErrorCode::kFailure, "exec frame: " + std::move(what), ""};
}

// The longest payload of a kind, or an error for a kind that does not exist.
Result<std::size_t> bound_of(std::byte kind) {
  switch (static_cast<FrameKind>(kind)) {
    case FrameKind::kStart:
      return kMaxStartPayload;
    case FrameKind::kStdinEnd:
      return std::size_t{0};
    case FrameKind::kSignal:
      return std::size_t{1};
    case FrameKind::kResize:
    case FrameKind::kStdinTaken:
      return std::size_t{4};
    case FrameKind::kAttach:
    case FrameKind::kStdin:
    case FrameKind::kStarted:
    case FrameKind::kStdout:
    case FrameKind::kStderr:
    case FrameKind::kExit:
    case FrameKind::kFailed:
    case FrameKind::kLogPiece:
      return kMaxFramePayload;
  }
  return wrong("unknown kind " + std::to_string(std::to_integer<int>(kind)));
}

}  // namespace

std::array<std::byte, kFrameHead> encode_frame_head(FrameKind kind, std::size_t payload_bytes) {
  TL_CHECK(payload_bytes <= bound_of(static_cast<std::byte>(kind)).value());
  std::array<std::byte, kFrameHead> head;
  head[0] = static_cast<std::byte>(kind);
  put_u32(head.data() + 1, payload_bytes);
  return head;
}

std::vector<std::byte> encode_frame(FrameKind kind, std::span<const std::byte> payload) {
  const auto head = encode_frame_head(kind, payload.size());
  std::vector<std::byte> bytes(head.size() + payload.size());
  std::ranges::copy(payload, std::ranges::copy(head, bytes.begin()).out);
  return bytes;
}

std::vector<std::byte> encode_u32(std::uint32_t value) {
  std::vector<std::byte> bytes(4);
  put_u32(bytes.data(), value);
  return bytes;
}

Result<std::uint32_t> decode_u32(std::span<const std::byte> payload) {
  if (payload.size() != 4) return Error{ErrorCode::kOutOfRange, "a number of four bytes is expected", ""};
  return get_u32(payload.data());
}

std::vector<std::byte> encode_size(TerminalSize size) {
  return encode_u32(std::uint32_t{size.rows} << 16 | size.columns);
}

Result<TerminalSize> decode_size(std::span<const std::byte> payload) {
  const auto both = decode_u32(payload);
  if (!both) return both.error();
  const TerminalSize size{static_cast<std::uint16_t>(*both >> 16), static_cast<std::uint16_t>(*both)};
  if (size.rows == 0 || size.columns == 0) {
    return Error{ErrorCode::kOutOfRange, "a terminal without rows or columns", ""};
  }
  return size;
}

// Afterwards at least `bytes` unread bytes are in the buffer.
asio::awaitable<Result<void>> FrameReader::fill(std::size_t bytes) {
  while (buffer_.size() - begin_ < bytes) {
    if (begin_ > 0) {
      buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
      begin_ = 0;
    }
    const std::size_t have = buffer_.size();
    buffer_.resize(have + std::clamp(bytes - have, kLeastRead, kMostRead));
    const auto got = co_await stream_->read_some(std::span(buffer_).subspan(have));
    buffer_.resize(have + (got ? *got : 0));
    if (!got) co_return got.error();
    if (*got == 0) {
      at_end_ = have == 0;
      if (at_end_) co_return Error{ErrorCode::kFailure, "the stream ended", ""};
      co_return wrong("the stream ended inside a frame");
    }
  }
  co_return Result<void>();
}

asio::awaitable<Result<Frame>> FrameReader::next() {
  const auto head = co_await fill(kFrameHead);
  if (!head) co_return head.error();
  const std::byte kind = buffer_[begin_];
  const std::size_t length = get_u32(buffer_.data() + begin_ + 1);
  const auto bound = bound_of(kind);
  if (!bound) co_return bound.error();
  if (length > *bound) co_return wrong("a payload of " + std::to_string(length) + " bytes is too long");
  const auto body = co_await fill(kFrameHead + length);
  if (!body) co_return body.error();
  const auto begin = buffer_.begin() + static_cast<std::ptrdiff_t>(begin_ + kFrameHead);
  Frame frame{static_cast<FrameKind>(kind), {begin, begin + static_cast<std::ptrdiff_t>(length)}};
  begin_ += kFrameHead + length;
  if (begin_ == buffer_.size()) {
    // Nothing is kept between frames: hundreds of readers wait most of the time.
    buffer_ = {};
    begin_ = 0;
  }
  co_return frame;
}

}  // namespace tl::guest
