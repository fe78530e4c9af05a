// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_condition.hpp"

#include <fcntl.h>

#include <cstring>
#include <memory>

#include <ext2fs/ext2fs.h>

#include "common/io.hpp"
#include "runtime/storage/disk_file.hpp"
#include "runtime/storage/ext4_error.hpp"

namespace tl::storage {
namespace {

constexpr std::uint32_t kMostLogBlockSize = 6;  // 64 KiB

struct Free {
  void operator()(struct_ext2_filsys* fs) const { ext2fs_free(fs); }  // writes nothing
};

Result<void> punch_in(ext2_filsys fs, DiskFile& file) {
  const blk64_t end = ext2fs_blocks_count(fs->super);
  for (blk64_t at = fs->super->s_first_data_block; at < end;) {
    blk64_t free = 0;
    if (ext2fs_find_first_zero_block_bitmap2(fs->block_map, at, end - 1, &free) != 0) return {};
    blk64_t used = 0;
    if (ext2fs_find_first_set_block_bitmap2(fs->block_map, free, end - 1, &used) != 0) used = end;
    if (auto done = file.punch(free * fs->blocksize, (used - free) * fs->blocksize); !done) return done;
    at = used;
  }
  return {};
}

}  // namespace

Result<Ext4Condition> Ext4Condition::of(std::span<const std::byte> beginning) {
  TL_CHECK(beginning.size() >= kBytes);
  ext2_super_block super = {};
  std::memcpy(&super, beginning.data() + SUPERBLOCK_OFFSET, sizeof super);
  if (super.s_magic != EXT2_SUPER_MAGIC || super.s_log_block_size > kMostLogBlockSize)
    return Error{ErrorCode::kFailure, "there is no ext4 file system on the disk", ""};
  Ext4Condition condition;
  const std::uint64_t blocks = ext2fs_blocks_count(&super);
  const auto shift = static_cast<unsigned>(EXT2_MIN_BLOCK_LOG_SIZE) + super.s_log_block_size;
  condition.size_bytes = blocks > UINT64_MAX >> shift ? UINT64_MAX : blocks << shift;
  if ((super.s_state & EXT2_ERROR_FS) != 0) {
    condition.state = State::kDamaged;
  } else if (ext2fs_has_feature_journal_needs_recovery(&super) || super.s_last_orphan != 0 ||
             ext2fs_has_feature_orphan_present(&super)) {
    condition.state = State::kUnfinished;
  }
  return condition;
}

Result<void> punch_free_blocks(const std::string& path) {
  auto fd = open_at(AT_FDCWD, path, O_RDWR);
  if (!fd) return fd.error();
  const auto file = make_host_file(*std::move(fd), path);
  ext2_filsys opened = nullptr;
  // Empty options: else a question mark in the path would begin them.
  if (const errcode_t code = ext2fs_open2(path.c_str(), "", EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &opened))
    return ext4_error(code, "read the file system");
  const std::unique_ptr<struct_ext2_filsys, Free> fs(opened);
  const auto size = file->size();
  if (!size) return size.error();
  if (ext2fs_blocks_count(fs->super) > size->bytes / fs->blocksize)
    return Error{ErrorCode::kFailure, "the file system is larger than its disk", ""};
  if (const errcode_t code = ext2fs_read_block_bitmap(fs.get()))
    return ext4_error(code, "read the file system's free blocks");
  return punch_in(fs.get(), *file);
}

}  // namespace tl::storage
