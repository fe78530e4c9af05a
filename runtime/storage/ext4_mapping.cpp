// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_mapping.hpp"

#include <memory>
#include <optional>

#include "runtime/storage/ext4_error.hpp"

namespace tl::storage {
namespace {

// Ascending, on the disk and within what may be named: then it is added.
class Mapping {
 public:
  Mapping(ext2_filsys fs, std::uint64_t& blocks_left) : fs_(fs), blocks_left_(blocks_left) {}

  // A block that holds a part of the mapping.
  bool spend(std::uint64_t blocks) {
    if (blocks > blocks_left_) {
      problem_ = "the file system names its blocks again and again";
      return false;
    }
    blocks_left_ -= blocks;
    return true;
  }

  bool add(const Ext4Extent& next) {
    const std::uint64_t end = ext2fs_blocks_count(fs_->super);
    const bool on_disk = next.physical >= fs_->super->s_first_data_block && next.physical < end &&
                         next.count <= end - next.physical;
    Ext4Extent* last = extents_.empty() ? nullptr : &extents_.back();
    if (!on_disk || (last != nullptr && next.logical < last->logical + last->count)) {
      problem_ = "its blocks are not on the disk, or not in order";
      return false;
    }
    if (!spend(next.count)) return false;
    if (last != nullptr && last->logical + last->count == next.logical &&
        last->physical + last->count == next.physical) {
      last->count += next.count;
    } else {
      extents_.push_back(next);
    }
    return true;
  }

  [[nodiscard]] bool is_sound() const { return problem_ == nullptr; }
  Result<std::vector<Ext4Extent>> finish() {
    if (problem_ != nullptr) return Error{ErrorCode::kFailure, problem_, ""};
    return std::move(extents_);
  }

 private:
  ext2_filsys fs_;
  std::uint64_t& blocks_left_;
  std::vector<Ext4Extent> extents_;
  const char* problem_ = nullptr;
};

struct FreeHandle {
  void operator()(ext2_extent_handle* handle) const { ext2fs_extent_free(handle); }
};

Result<void> add_extents(ext2_filsys fs, std::uint32_t number, ext2_inode_large& inode, Mapping& mapping) {
  ext2_extent_handle_t opened = nullptr;
  if (const errcode_t code = ext2fs_extent_open2(fs, number, reinterpret_cast<ext2_inode*>(&inode), &opened))
    return ext4_error(code, "extents");
  const std::unique_ptr<ext2_extent_handle, FreeHandle> handle(opened);
  ext2fs_extent extent = {};
  errcode_t code = ext2fs_extent_get(opened, EXT2_EXTENT_ROOT, &extent);
  for (; code == 0; code = ext2fs_extent_get(opened, EXT2_EXTENT_NEXT, &extent)) {
    const bool leaf = (extent.e_flags & EXT2_EXTENT_FLAGS_LEAF) != 0;
    if (!leaf || (extent.e_flags & EXT2_EXTENT_FLAGS_UNINIT) != 0) {
      if (!mapping.spend(1)) return {};
    } else if (!mapping.add({extent.e_lblk, extent.e_pblk, extent.e_len})) {
      return {};
    }
  }
  // An empty tree has no first one.
  if (code == EXT2_ET_EXTENT_NO_NEXT || code == EXT2_ET_NO_CURRENT_NODE) return {};
  return ext4_error(code, "extents");
}

int take_block(ext2_filsys, blk64_t* block, e2_blkcnt_t logical, blk64_t, int, void* mapping) {
  auto& to = *static_cast<Mapping*>(mapping);
  const bool sound = logical < 0 ? to.spend(1) : to.add({static_cast<std::uint64_t>(logical), *block, 1});
  return sound ? 0 : BLOCK_ABORT;
}

Result<void> add_lists(ext2_filsys fs, std::uint32_t number, Mapping& mapping) {
  const errcode_t code =
      ext2fs_block_iterate3(fs, number, BLOCK_FLAG_READ_ONLY, nullptr, take_block, &mapping);
  if (code != 0 && mapping.is_sound()) return ext4_error(code, "blocks");
  return {};
}

}  // namespace

Result<std::vector<Ext4Extent>> map_ext4_inode(ext2_filsys fs, std::uint32_t number, ext2_inode_large& inode,
                                               std::uint64_t& blocks_left) {
  Mapping mapping(fs, blocks_left);
  const bool by_extents = (inode.i_flags & EXT4_EXTENTS_FL) != 0;
  auto added = by_extents ? add_extents(fs, number, inode, mapping) : add_lists(fs, number, mapping);
  if (!added) return added.error();
  return mapping.finish();
}

}  // namespace tl::storage
