// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/result.hpp"
#include "runtime/storage/ext4_volume.hpp"

namespace tl::storage {

// Takes the data of one file after another in order and puts them on the volume in big pieces; blocks that
// are zero throughout become holes, wherever they come from. The volume must outlive it.
class Ext4Stream {
 public:
  explicit Ext4Stream(Ext4Volume& volume);

  // Offsets never go back; what is left out reads as zeroes. kOutOfRange otherwise, or beyond what ext4 can
  // hold.
  Result<void> write(std::uint64_t offset, std::span<const std::byte> bytes);
  // The file, `size_bytes` long (at least up to the last byte written); then the next one can begin.
  Result<Ext4File> finish(std::uint64_t size_bytes);

 private:
  Result<void> flush();

  Ext4Volume& volume_;
  std::vector<std::byte> buffer_;
  std::uint64_t start_ = 0;  // where buffer_ lies in the file: a multiple of the block size
  std::size_t filled_ = 0;   // bytes of buffer_ that count
  std::vector<Ext4Extent> extents_;
};

}  // namespace tl::storage
