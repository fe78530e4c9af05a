// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_volume.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/io.hpp"
#include "common/random.hpp"
#include "runtime/storage/ext4_error.hpp"

namespace tl::storage {
namespace {

constexpr std::uint64_t kBlocksPerMib = (std::uint64_t{1} << 20) / Ext4Volume::kBlockBytes;
constexpr std::uint32_t kBlocksPerInode = 4;  // one inode for 16 KiB, as mkfs.ext4 has it
// Every sandbox's journal ends up in its own disk layer, so smaller than the 64 MiB of mkfs.ext4.
constexpr std::uint32_t kJournalBlocks = 32 * kBlocksPerMib;
constexpr std::uint32_t kLogBlockSize = 2;      // 1024 << 2
constexpr std::uint32_t kLogGroupsPerFlex = 4;  // 16 groups, as mkfs.ext4
constexpr std::uint32_t kBlocksPerGroup = 8 * Ext4Volume::kBlockBytes;
constexpr std::uint16_t kDescriptorBytes = 64;
constexpr std::size_t kMaxLabelBytes = 16;

std::uint32_t descriptor_blocks(std::uint64_t size_mib) {
  const std::uint64_t groups = (size_mib * kBlocksPerMib + kBlocksPerGroup - 1) / kBlocksPerGroup;
  constexpr std::uint64_t kPerBlock = Ext4Volume::kBlockBytes / kDescriptorBytes;
  return static_cast<std::uint32_t>((groups + kPerBlock - 1) / kPerBlock);
}

ext2_super_block parameters(std::uint64_t size_mib) {
  ext2_super_block super = {};
  const std::uint64_t blocks = size_mib * kBlocksPerMib;
  ext2fs_blocks_count_set(&super, blocks);
  super.s_rev_level = EXT2_DYNAMIC_REV;
  super.s_log_block_size = kLogBlockSize;
  super.s_log_cluster_size = kLogBlockSize;
  super.s_inodes_count = static_cast<std::uint32_t>(blocks / kBlocksPerInode);
  super.s_inode_size = 256;
  super.s_desc_size = kDescriptorBytes;
  super.s_log_groups_per_flex = kLogGroupsPerFlex;
  // One more than needed: zero would mean the library's own choice.
  super.s_reserved_gdt_blocks = static_cast<std::uint16_t>(descriptor_blocks(Ext4Volume::kLargestMib) -
                                                           descriptor_blocks(size_mib) + 1);
  super.s_feature_compat = EXT2_FEATURE_COMPAT_RESIZE_INODE | EXT2_FEATURE_COMPAT_DIR_INDEX |
                           EXT2_FEATURE_COMPAT_EXT_ATTR;  // the journal adds its own
  super.s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
                             EXT4_FEATURE_INCOMPAT_FLEX_BG | EXT4_FEATURE_INCOMPAT_64BIT;
  super.s_feature_ro_compat = EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
                              EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_DIR_NLINK |
                              EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
  return super;
}

void set_identity(ext2_filsys fs, const std::string& label) {
  fill_random(std::as_writable_bytes(std::span(fs->super->s_uuid)));
  fs->super->s_uuid[6] = static_cast<__u8>((fs->super->s_uuid[6] & 0x0f) | 0x40);  // version 4, RFC 4122
  fs->super->s_uuid[8] = static_cast<__u8>((fs->super->s_uuid[8] & 0x3f) | 0x80);
  fill_random(std::as_writable_bytes(std::span(fs->super->s_hash_seed)));
  std::memcpy(fs->super->s_volume_name, label.data(), std::min(label.size(), kMaxLabelBytes));
  fs->super->s_checksum_type = EXT2_CRC32C_CHKSUM;
  fs->super->s_def_hash_version = EXT2_HASH_HALF_MD4;
  fs->super->s_flags |= EXT2_FLAGS_SIGNED_HASH;
  fs->super->s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
  fs->super->s_max_mnt_count = -1;
  ext2fs_init_csum_seed(fs);  // from the UUID
}

// What a file system has before its first file: tables, reserved inodes, the inodes for growth and the
// journal.
Result<void> lay_out(ext2_filsys fs) {
  if (const errcode_t code = ext2fs_allocate_tables(fs)) return ext4_error(code, "allocate tables");
  for (dgrp_t group = 0; group < fs->group_desc_count; ++group) {
    ext2fs_bg_flags_set(fs, group, EXT2_BG_INODE_ZEROED);
  }
  ext2fs_inode_alloc_stats2(fs, EXT2_BAD_INO, +1, 0);
  ext2fs_inode_alloc_stats2(fs, EXT2_ROOT_INO, +1, 1);
  for (ext2_ino_t ino = EXT2_ROOT_INO + 1; ino < EXT2_FIRST_INODE(fs->super); ++ino) {
    ext2fs_inode_alloc_stats2(fs, ino, +1, 0);
  }
  if (const errcode_t code = ext2fs_update_bb_inode(fs, nullptr)) return ext4_error(code, "bad block inode");
  if (const errcode_t code = ext2fs_create_resize_inode(fs)) return ext4_error(code, "resize inode");
  const std::uint64_t blocks = ext2fs_blocks_count(fs->super);
  const auto journal = static_cast<blk_t>(std::min<std::uint64_t>(kJournalBlocks, blocks / 16));
  const errcode_t code = ext2fs_add_journal_inode2(fs, std::max<blk_t>(journal, 1024), ~std::uint64_t{0},
                                                   EXT2_MKJOURNAL_LAZYINIT);
  if (code != 0) return ext4_error(code, "journal");
  return {};
}

Result<void> make_file(const std::string& path, std::uint64_t size_bytes) {
  auto file = open_at(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!file) return file.error();
  if (::ftruncate(file->get(), static_cast<off_t>(size_bytes)) != 0) return errno_error("size " + path);
  return {};
}

}  // namespace

Result<Ext4Volume> Ext4Volume::create(const std::string& path, std::uint64_t size_mib,
                                      const std::string& label) {
  TL_CHECK(label.size() <= kMaxLabelBytes);
  if (size_mib < kSmallestMib || size_mib > kLargestMib) {
    return Error{ErrorCode::kOutOfRange,
                 "disk of " + std::to_string(size_mib) + " MiB: must be " + std::to_string(kSmallestMib) +
                     " to " + std::to_string(kLargestMib),
                 ""};
  }
  if (auto made = make_file(path, size_mib << 20); !made) return made.error();
  ext2_super_block super = parameters(size_mib);
  ext2_filsys fs = nullptr;
  const errcode_t code =
      ext2fs_initialize(path.c_str(), EXT2_FLAG_64BITS | EXT2_FLAG_EXCLUSIVE, &super, unix_io_manager, &fs);
  if (code != 0) return ext4_error(code, "make an ext4 file system on " + path);
  Ext4Volume volume(fs);
  set_identity(fs, label);
  if (auto done = lay_out(fs); !done) return done.error().within("make an ext4 file system on " + path);
  return volume;
}

Ext4Volume::Ext4Volume(Ext4Volume&& other) noexcept
    : fs_(std::exchange(other.fs_, nullptr)), next_block_(other.next_block_) {}

Ext4Volume::~Ext4Volume() {
  if (fs_ != nullptr) ext2fs_free(fs_);  // writes nothing
}

std::uint64_t Ext4Volume::size_bytes() const {
  return ext2fs_blocks_count(fs_->super) * kBlockBytes;
}

Result<void> Ext4Volume::append(std::span<const std::byte> blocks, std::uint64_t logical,
                                std::vector<Ext4Extent>& extents) {
  TL_CHECK(blocks.size() % kBlockBytes == 0);
  while (!blocks.empty()) {
    blk64_t start = 0;
    blk64_t count = 0;
    if (const errcode_t code =
            ext2fs_new_range(fs_, 0, next_block_, blocks.size() / kBlockBytes, nullptr, &start, &count)) {
      return ext4_error(code, "allocate blocks");
    }
    ext2fs_block_alloc_stats_range(fs_, start, static_cast<blk_t>(count), +1);
    next_block_ = start + count;
    if (const errcode_t code =
            io_channel_write_blk64(fs_->io, start, static_cast<int>(count), blocks.data())) {
      return ext4_error(code, "write blocks");
    }
    Ext4Extent* last = extents.empty() ? nullptr : &extents.back();
    if (last != nullptr && last->logical + last->count == logical && last->physical + last->count == start) {
      last->count += count;
    } else {
      extents.push_back(Ext4Extent{logical, start, count});
    }
    logical += count;
    blocks = blocks.subspan(count * kBlockBytes);
  }
  return {};
}

void Ext4Volume::release(const std::vector<Ext4Extent>& extents) {
  for (const auto& extent : extents) {
    ext2fs_block_alloc_stats_range(fs_, extent.physical, static_cast<blk_t>(extent.count), -1);
    io_channel_discard(fs_->io, extent.physical, extent.count);  // where it cannot, the space stays used
  }
}

Result<void> Ext4Volume::close() {
  if (const errcode_t code = ext2fs_set_gdt_csum(fs_)) return ext4_error(code, "group descriptors");
  // Writes bitmaps, descriptors and superblocks, syncs the file, and frees the object even when that fails.
  const errcode_t code = ext2fs_close_free(&fs_);
  if (code != 0) return ext4_error(code, "write the file system");
  return {};
}

}  // namespace tl::storage
