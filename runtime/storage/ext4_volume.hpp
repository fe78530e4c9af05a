// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ext2fs/ext2fs.h>

#include "common/result.hpp"
#include "runtime/storage/ext4_tree.hpp"

namespace tl::storage {

// An ext4 file system without files yet, on a sparse file of the host, and the one place where its blocks are
// given out.
//
// The features are those of `mkfs.ext4` (extents, flex_bg, metadata_csum, 64bit, dir_index, a journal ...).
// What makes it fit a sandbox: inode tables are marked as zeroed, because the file reads as zeroes there, so
// the guest's kernel never writes them; no block is reserved for root; group descriptors are reserved for
// growth while mounted up to kLargestMib.
//
// Blocks are given out front to back, so what is written after each other lies together. One thread at a
// time. After an error the object is good for nothing but destruction; so is the file.
class Ext4Volume {
 public:
  static constexpr std::uint32_t kBlockBytes = 4096;
  static constexpr std::uint64_t kSmallestMib = 64;
  static constexpr std::uint64_t kLargestMib = 102400;

  // `path` must not exist. `label` has at most 16 bytes. The UUID is random.
  static Result<Ext4Volume> create(const std::string& path, std::uint64_t size_mib, const std::string& label);

  Ext4Volume(Ext4Volume&& other) noexcept;
  Ext4Volume& operator=(Ext4Volume&&) = delete;
  ~Ext4Volume();

  [[nodiscard]] ext2_filsys fs() const { return fs_; }
  [[nodiscard]] std::uint64_t size_bytes() const;

  // Writes `blocks`, a multiple of kBlockBytes, to free blocks and appends where they went to `extents`, as
  // the file's blocks from `logical` on.
  Result<void> append(std::span<const std::byte> blocks, std::uint64_t logical,
                      std::vector<Ext4Extent>& extents);
  // Free again, and the host gets its space back.
  void release(const std::vector<Ext4Extent>& extents);

  // Writes the bookkeeping; everything is durable when this returns.
  Result<void> close();

 private:
  explicit Ext4Volume(ext2_filsys fs) : fs_(fs) {}
  ext2_filsys fs_;                // nullptr once closed
  std::uint64_t next_block_ = 0;  // where the search for free blocks begins
};

}  // namespace tl::storage
