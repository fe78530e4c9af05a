// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/block/request.hpp"

#include <linux/virtio_blk.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include <fmt/format.h>

namespace tl::virtio::block {
namespace {

using Pieces = std::vector<std::span<std::byte>>;

constexpr std::uint64_t kSector = BlockDevice::kSectorBytes;
constexpr char kName[VIRTIO_BLK_ID_BYTES + 1] = "tl-root";

std::uint64_t bytes_of(const Pieces& pieces) {
  std::uint64_t bytes = 0;
  for (const auto& piece : pieces) bytes += piece.size();
  return bytes;
}

// Takes `bytes` off the front; the rest is left in `pieces`.
void drop_front(Pieces& pieces, std::size_t bytes) {
  std::size_t whole = 0;
  while (whole < pieces.size() && bytes >= pieces[whole].size()) bytes -= pieces[whole++].size();
  pieces.erase(pieces.begin(), pieces.begin() + static_cast<std::ptrdiff_t>(whole));
  if (bytes != 0) pieces.front() = pieces.front().subspan(bytes);
}

// Buffers that follow each other in the host's memory become one: most of the driver's pages do.
Pieces merged(const Pieces& pieces) {
  Pieces runs;
  for (const auto& piece : pieces) {
    if (!runs.empty() && runs.back().data() + runs.back().size() == piece.data()) {
      runs.back() = std::span(runs.back().data(), runs.back().size() + piece.size());
    } else {
      runs.push_back(piece);
    }
  }
  return runs;
}

Outcome refuse(std::uint8_t status, std::string fault) {
  return {status, 0, std::move(fault), ""};
}

Outcome outcome_of(const Result<void>& done, std::uint32_t written = 0) {
  if (done) return {VIRTIO_BLK_S_OK, written, "", ""};
  return {VIRTIO_BLK_S_IOERR, 0, "", done.error().message};
}

bool fits(const BlockDevice& disk, std::uint64_t sector, std::uint64_t sectors) {
  const std::uint64_t capacity = disk.size_bytes() / kSector;
  return sector <= capacity && sectors <= capacity - sector;
}

}  // namespace

Result<Request> Request::parse(const Chain& chain) {
  Request request;
  request.readable_ = chain.readable;
  request.writable_ = chain.writable;
  if (request.writable_.empty()) return Error{ErrorCode::kOutOfRange, "a request without a status byte", ""};
  auto& last = request.writable_.back();
  request.status_ = &last.back();
  last = last.first(last.size() - 1);
  if (last.empty()) request.writable_.pop_back();

  if (ChainReader(chain).read(std::as_writable_bytes(std::span(&request.header_, 1))) != sizeof(Header)) {
    return Error{ErrorCode::kOutOfRange, "a request without a whole header", ""};
  }
  drop_front(request.readable_, sizeof(Header));
  return request;
}

void Request::finish(std::uint8_t status) const {
  *status_ = static_cast<std::byte>(status);
}

Outcome Request::execute(BlockDevice& disk, std::span<std::byte> bounce) const {
  switch (header_.type) {
    case VIRTIO_BLK_T_IN:
      return transfer(disk, bounce, Direction::kFromDisk);
    case VIRTIO_BLK_T_OUT:
      return transfer(disk, bounce, Direction::kToDisk);
    case VIRTIO_BLK_T_FLUSH:
      return outcome_of(disk.flush());
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
      return change_ranges(disk);
    case VIRTIO_BLK_T_GET_ID:
      return tell_name();
    default:
      return refuse(VIRTIO_BLK_S_UNSUPP, fmt::format("a request of the unknown type {}", header_.type));
  }
}

Outcome Request::transfer(BlockDevice& disk, std::span<std::byte> bounce, Direction direction) const {
  const bool reads = direction == Direction::kFromDisk;
  const Pieces pieces = merged(reads ? writable_ : readable_);
  const std::uint64_t bytes = bytes_of(pieces);
  if (bytes % kSector != 0 || !fits(disk, header_.sector, bytes / kSector)) {
    return refuse(VIRTIO_BLK_S_IOERR, fmt::format("{} bytes at sector {} are not whole sectors of the disk",
                                                  bytes, header_.sector));
  }
  std::uint64_t at = header_.sector * kSector;
  if (pieces.size() == 1) {
    const auto done = reads ? disk.read(at, pieces.front()) : disk.write(at, pieces.front());
    return outcome_of(done, reads ? static_cast<std::uint32_t>(bytes) : 0);
  }
  const Chain parts{0, reads ? Pieces() : pieces, reads ? pieces : Pieces()};
  ChainReader from(parts);
  ChainWriter into(parts);
  for (std::uint64_t left = bytes; left > 0;) {
    const auto part = bounce.first(std::min<std::uint64_t>(left, bounce.size()));
    if (!reads) from.read(part);
    const auto done = reads ? disk.read(at, part) : disk.write(at, part);
    if (!done) return outcome_of(done);
    if (reads) into.write(part);
    at += part.size();
    left -= part.size();
  }
  return {VIRTIO_BLK_S_OK, into.written(), "", ""};
}

Outcome Request::change_ranges(BlockDevice& disk) const {
  std::vector<virtio_blk_discard_write_zeroes> ranges(kMostRanges);
  const std::uint64_t bytes = bytes_of(readable_);
  const std::uint64_t count = bytes / sizeof(virtio_blk_discard_write_zeroes);
  if (count == 0 || count > kMostRanges || bytes % sizeof(virtio_blk_discard_write_zeroes) != 0)
    return refuse(VIRTIO_BLK_S_IOERR, fmt::format("{} bytes of ranges", bytes));
  ranges.resize(count);
  const Chain parts{0, readable_, {}};
  ChainReader(parts).read(std::as_writable_bytes(std::span(ranges)));
  for (const auto& range : ranges) {
    if (range.num_sectors > kMostRangeSectors || !fits(disk, range.sector, range.num_sectors)) {
      return refuse(VIRTIO_BLK_S_IOERR,
                    fmt::format("a range of {} sectors at {}", std::uint32_t{range.num_sectors},
                                std::uint64_t{range.sector}));
    }
    // Only "unmap" is known, and only for write-zeroes (§5.2.6.2).
    const bool unmap = (range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) != 0;
    const bool unknown = (range.flags & ~std::uint32_t{VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP}) != 0;
    if (unknown || (unmap && header_.type == VIRTIO_BLK_T_DISCARD))
      return refuse(VIRTIO_BLK_S_UNSUPP, fmt::format("flags {:#x} of a range", std::uint32_t{range.flags}));
  }
  for (const auto& range : ranges) {
    if (range.num_sectors == 0) continue;
    const std::uint64_t at = range.sector * kSector;
    const std::uint64_t length = range.num_sectors * kSector;
    const auto done =
        header_.type == VIRTIO_BLK_T_DISCARD ? disk.discard(at, length) : disk.write_zeroes(at, length);
    if (!done) return outcome_of(done);
  }
  return {VIRTIO_BLK_S_OK, 0, "", ""};
}

Outcome Request::tell_name() const {
  const Chain parts{0, {}, writable_};
  ChainWriter writer(parts);
  writer.write(std::as_bytes(std::span(kName, VIRTIO_BLK_ID_BYTES)));
  return {VIRTIO_BLK_S_OK, writer.written(), "", ""};
}

}  // namespace tl::virtio::block
