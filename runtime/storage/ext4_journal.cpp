// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_journal.hpp"

#include <algorithm>
#include <cstring>

#include <ext2fs/ext2fs.h>

#include "common/result.hpp"
#include "runtime/storage/ext4_condition.hpp"

namespace tl::storage {
namespace {

constexpr unsigned kMostLogBlockSize = 6;  // 64 KiB
// Blocks of an extent; one that says more was not written yet, and has so many less.
constexpr std::uint32_t kMostInitialized = 1U << 15;

// What an inode has in the place of block numbers.
struct ExtentRoot {
  ext3_extent_header header;
  ext3_extent extents[4];
};

}  // namespace

std::vector<DiskFile::Extent> ext4_journal(std::span<const std::byte> beginning) {
  TL_CHECK(beginning.size() >= Ext4Condition::kBytes);
  ext2_super_block super = {};
  std::memcpy(&super, beginning.data() + SUPERBLOCK_OFFSET, sizeof super);
  if (super.s_magic != EXT2_SUPER_MAGIC || super.s_log_block_size > kMostLogBlockSize) return {};
  if (super.s_jnl_backup_type != EXT3_JNL_BACKUP_BLOCKS) return {};
  ExtentRoot root = {};
  static_assert(sizeof root <= sizeof super.s_jnl_blocks);
  std::memcpy(&root, super.s_jnl_blocks, sizeof root);
  if (root.header.eh_magic != EXT3_EXT_MAGIC || root.header.eh_depth != 0) return {};
  const auto shift = static_cast<unsigned>(EXT2_MIN_BLOCK_LOG_SIZE) + super.s_log_block_size;
  std::vector<DiskFile::Extent> ranges;
  for (std::size_t i = 0; i < std::min<std::size_t>(root.header.eh_entries, std::size(root.extents)); ++i) {
    const ext3_extent& extent = root.extents[i];
    const std::uint64_t start = std::uint64_t{extent.ee_start_hi} << 32 | extent.ee_start;
    const std::uint32_t blocks =
        extent.ee_len > kMostInitialized ? extent.ee_len - kMostInitialized : extent.ee_len;
    ranges.push_back({start << shift, (start + blocks) << shift});
  }
  return ranges;
}

}  // namespace tl::storage
