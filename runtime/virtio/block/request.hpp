// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/block_device.hpp"
#include "common/result.hpp"
#include "runtime/virtio/chain.hpp"

namespace tl::virtio::block {

// Bounds of a request that the device tells the driver of.
inline constexpr std::uint32_t kMostSegments = 254;           // buffers of a read or a write
inline constexpr std::uint32_t kMostRanges = 16;              // ranges of a discard or a write-zeroes
inline constexpr std::uint32_t kMostRangeSectors = 1U << 22;  // of one of them: 2 GiB

// How a request ended.
struct Outcome {
  std::uint8_t status = 0;    // VIRTIO_BLK_S_*
  std::uint32_t written = 0;  // bytes in the driver's buffers, the status not among them
  std::string fault;          // what the driver did wrong; empty: nothing
  std::string failure;        // why the disk failed; empty: it did not
};

// What a driver asks of a disk, in one chain (virtio 1.2, §5.2.6): a header to read, data to read or to
// write, a status byte to write; wherever the buffers begin and end. Everything is checked before the disk is
// asked.
class Request {
 public:
  // kOutOfRange for a chain that has no place for a header or for a status.
  static Result<Request> parse(const Chain& chain);

  // `bounce`: through it goes what lies in several buffers; a multiple of 4096 bytes.
  [[nodiscard]] Outcome execute(BlockDevice& disk, std::span<std::byte> bounce) const;

  // Where the driver looks for the status.
  void finish(std::uint8_t status) const;

 private:
  struct Header {
    std::uint32_t type;
    std::uint32_t reserved;
    std::uint64_t sector;
  };
  enum class Direction { kFromDisk, kToDisk };

  [[nodiscard]] Outcome transfer(BlockDevice& disk, std::span<std::byte> bounce, Direction direction) const;
  [[nodiscard]] Outcome change_ranges(BlockDevice& disk) const;
  [[nodiscard]] Outcome tell_name() const;

  Header header_ = {};
  std::vector<std::span<std::byte>> readable_;  // without the header
  std::vector<std::span<std::byte>> writable_;  // without the status
  std::byte* status_ = nullptr;
};

}  // namespace tl::virtio::block
