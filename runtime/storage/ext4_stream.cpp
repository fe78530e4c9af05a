// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_stream.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tl::storage {
namespace {

constexpr std::size_t kBlock = Ext4Volume::kBlockBytes;
constexpr std::size_t kBufferBytes = 256 * kBlock;
constexpr std::uint64_t kMaxFileBytes = (std::uint64_t{1} << 44) - kBlock;  // 2^32 blocks

bool is_zero(std::span<const std::byte> block) {
  return block[0] == std::byte{0} && std::memcmp(block.data(), block.data() + 1, block.size() - 1) == 0;
}

}  // namespace

Ext4Stream::Ext4Stream(Ext4Volume& volume) : volume_(volume), buffer_(kBufferBytes) {}

Result<void> Ext4Stream::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  if (offset < start_ + filled_) return Error{ErrorCode::kOutOfRange, "data of a file out of order", ""};
  if (offset > kMaxFileBytes || bytes.size() > kMaxFileBytes - offset) {
    return Error{ErrorCode::kOutOfRange, "file is larger than ext4 holds", ""};
  }
  if (bytes.empty()) return {};
  if (offset - start_ >= buffer_.size()) {
    if (auto flushed = flush(); !flushed) return flushed;
    start_ = offset / kBlock * kBlock;
  }
  const auto gap_end = static_cast<std::size_t>(offset - start_);
  std::fill(buffer_.begin() + static_cast<std::ptrdiff_t>(filled_),
            buffer_.begin() + static_cast<std::ptrdiff_t>(gap_end), std::byte{0});
  filled_ = gap_end;
  while (!bytes.empty()) {
    const std::size_t count = std::min(bytes.size(), buffer_.size() - filled_);
    std::memcpy(buffer_.data() + filled_, bytes.data(), count);
    filled_ += count;
    bytes = bytes.subspan(count);
    if (filled_ < buffer_.size()) continue;
    if (auto flushed = flush(); !flushed) return flushed;
  }
  return {};
}

Result<void> Ext4Stream::flush() {
  const std::size_t end = (filled_ + kBlock - 1) / kBlock * kBlock;
  std::memset(buffer_.data() + filled_, 0, end - filled_);
  const auto block = [this](std::size_t at) { return std::span(buffer_).subspan(at, kBlock); };
  for (std::size_t at = 0; at < end;) {
    if (is_zero(block(at))) {
      at += kBlock;
      continue;
    }
    std::size_t stop = at + kBlock;
    while (stop < end && !is_zero(block(stop))) stop += kBlock;
    const auto run = std::span(buffer_).subspan(at, stop - at);
    if (auto done = volume_.append(run, (start_ + at) / kBlock, extents_); !done) return done;
    at = stop;
  }
  start_ += end;
  filled_ = 0;
  return {};
}

Result<Ext4File> Ext4Stream::finish(std::uint64_t size_bytes) {
  if (size_bytes > kMaxFileBytes) return Error{ErrorCode::kOutOfRange, "file is larger than ext4 holds", ""};
  if (size_bytes < start_ + filled_)
    return Error{ErrorCode::kOutOfRange, "more data than the file's size", ""};
  if (auto flushed = flush(); !flushed) return flushed.error();
  start_ = 0;
  return Ext4File{std::exchange(extents_, {}), size_bytes};
}

}  // namespace tl::storage
