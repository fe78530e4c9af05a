// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_writer.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

#include "runtime/storage/ext4_directory.hpp"
#include "runtime/storage/ext4_error.hpp"

namespace tl::storage {
namespace {

constexpr std::uint32_t kMaxLinks = 65000;      // of a directory; beyond, dir_nlink says 1: "not counted"
constexpr std::size_t kLostAndFoundBlocks = 4;  // e2fsck must be able to use it without allocating
constexpr std::size_t kMaxSymlinkBytes = Ext4Volume::kBlockBytes - 1;
constexpr std::uint64_t kMaxExtentBlocks = 32768;

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

struct Type {
  std::uint16_t mode_bits;
  std::uint8_t in_directory;
};

Type type_of(const Ext4Special& special) {
  switch (special.kind) {
    case Ext4Special::Kind::kCharDevice:
      return {S_IFCHR, EXT2_FT_CHRDEV};
    case Ext4Special::Kind::kBlockDevice:
      return {S_IFBLK, EXT2_FT_BLKDEV};
    case Ext4Special::Kind::kFifo:
      return {S_IFIFO, EXT2_FT_FIFO};
    case Ext4Special::Kind::kSocket:
      break;
  }
  return {S_IFSOCK, EXT2_FT_SOCK};
}

Type type_of(const Ext4Node& node) {
  return std::visit(Overloaded{[](const Ext4Directory&) {
                                 return Type{S_IFDIR, EXT2_FT_DIR};
                               },
                               [](const Ext4File&) {
                                 return Type{S_IFREG, EXT2_FT_REG_FILE};
                               },
                               [](const Ext4Symlink&) {
                                 return Type{S_IFLNK, EXT2_FT_SYMLINK};
                               },
                               [](const Ext4Special& special) { return type_of(special); }},
                    node.content);
}

// ext4 keeps 34 bits of seconds since 1901: 32 signed ones, and 2 in the field of the nanoseconds.
void set_times(ext2_inode_large& inode, const Ext4Attributes& attributes) {
  constexpr std::int64_t kEarliest = -(std::int64_t{1} << 31);
  constexpr std::int64_t kLatest = (std::int64_t{1} << 34) + kEarliest - 1;
  const std::int64_t seconds = std::clamp(attributes.mtime_seconds, kEarliest, kLatest);
  const auto low = static_cast<std::uint32_t>(seconds);
  const std::int64_t carry = seconds - static_cast<std::int32_t>(low);
  const std::uint32_t extra = std::min(attributes.mtime_nanoseconds, 999'999'999U) << 2 |
                              (static_cast<std::uint32_t>(carry >> 32) & 3U);
  inode.i_atime = inode.i_ctime = inode.i_mtime = inode.i_crtime = low;
  inode.i_atime_extra = inode.i_ctime_extra = inode.i_mtime_extra = inode.i_crtime_extra = extra;
}

ext2_inode_large plain_inode(const Ext4Node& node) {
  ext2_inode_large inode = {};
  inode.i_mode = static_cast<__u16>(type_of(node).mode_bits | (node.attributes.mode & 07777U));
  inode.i_uid = static_cast<__u16>(node.attributes.uid);
  inode.osd2.linux2.l_i_uid_high = static_cast<__u16>(node.attributes.uid >> 16);
  inode.i_gid = static_cast<__u16>(node.attributes.gid);
  inode.osd2.linux2.l_i_gid_high = static_cast<__u16>(node.attributes.gid >> 16);
  inode.i_links_count = static_cast<__u16>(node.names);
  inode.i_extra_isize = sizeof(ext2_inode_large) - EXT2_GOOD_OLD_INODE_SIZE;
  set_times(inode, node.attributes);
  return inode;
}

class TreeWriter {
 public:
  explicit TreeWriter(Ext4Volume& volume)
      : volume_(volume), fs_(volume.fs()), next_inode_(EXT2_FIRST_INODE(fs_->super)) {}

  Result<void> write(Ext4Tree& tree) {
    auto numbered = number_all(tree);
    for (std::size_t i = 0; numbered && i < places_.size(); ++i) {
      const auto& [node, parent] = places_[i];
      Result<void> done = write_node(*node, parent, node == lost_and_found_ ? kLostAndFoundBlocks : 1);
      if (!done) return done;
    }
    return numbered;
  }

 private:
  struct Place {
    Ext4Node* node;
    std::uint32_t parent;  // inode of the directory it was first met in
  };

  // Breadth first, so that what a directory lists has neighbouring inodes.
  Result<void> number_all(Ext4Tree& tree) {
    tree.root()->inode = EXT2_ROOT_INO;
    places_.push_back(Place{tree.root().get(), EXT2_ROOT_INO});
    auto& top = tree.root()->directory()->children;
    if (const auto found = top.find("lost+found"); found != top.end()) {
      lost_and_found_ = found->second.node.get();
      if (auto done = number(*lost_and_found_, EXT2_ROOT_INO); !done) return done;
    }
    for (std::size_t i = 0; i < places_.size(); ++i) {
      auto* directory = places_[i].node->directory();
      if (directory == nullptr) continue;
      const std::uint32_t self = places_[i].node->inode;
      for (auto& [name, entry] : directory->children) {
        const auto& child = entry.node;
        if (child->inode != 0) continue;  // a hard link
        if (auto done = number(*child, self); !done) return done;
      }
    }
    return {};
  }

  Result<void> number(Ext4Node& node, std::uint32_t parent) {
    if (next_inode_ > fs_->super->s_inodes_count)
      return ext4_error(EXT2_ET_INODE_ALLOC_FAIL, "allocate inodes");
    node.inode = next_inode_++;
    ext2fs_inode_alloc_stats2(fs_, node.inode, +1, node.directory() != nullptr ? 1 : 0);
    places_.push_back(Place{&node, parent});
    return {};
  }

  Result<void> write_node(Ext4Node& node, std::uint32_t parent, std::size_t min_blocks) {
    ext2_inode_large inode = plain_inode(node);
    Result<void> done = std::visit(
        Overloaded{
            [&](Ext4Directory& directory) {
              return put_directory(inode, node, directory, parent, min_blocks);
            },
            [&](Ext4File& file) { return put_extents(inode, node.inode, file.extents, file.size_bytes); },
            [&](Ext4Symlink& symlink) { return put_symlink(inode, node.inode, symlink.target); },
            [&](Ext4Special& special) { return put_special(inode, special); }},
        node.content);
    if (!done) return done;
    const errcode_t code =
        ext2fs_write_inode_full(fs_, node.inode, reinterpret_cast<ext2_inode*>(&inode), sizeof inode);
    if (code != 0) return ext4_error(code, "write an inode");
    return put_xattrs(node);
  }

  Result<void> put_directory(ext2_inode_large& inode, const Ext4Node& node, const Ext4Directory& directory,
                             std::uint32_t parent, std::size_t min_blocks) {
    std::vector<Ext4DirectoryEntry> entries;
    entries.reserve(directory.children.size());
    std::size_t links = 2;
    for (const auto& [name, entry] : directory.children) {
      const auto& child = entry.node;
      entries.push_back({name, child->inode, type_of(*child).in_directory});
      if (child->directory() != nullptr) ++links;
    }
    const auto packed = pack_directory(fs_, node.inode, parent, entries, min_blocks);
    if (!packed) return packed.error();
    inode.i_links_count = static_cast<__u16>(links > kMaxLinks ? 1 : links);
    if (packed->indexed) inode.i_flags |= EXT2_INDEX_FL;
    return put_blocks(inode, node.inode, packed->bytes, packed->bytes.size());
  }

  Result<void> put_symlink(ext2_inode_large& inode, std::uint32_t number, const std::string& target) {
    if (target.empty() || target.size() > kMaxSymlinkBytes) {
      return Error{ErrorCode::kOutOfRange, "symbolic link: its target is empty or too long", ""};
    }
    if (target.size() < sizeof inode.i_block) {
      std::memcpy(inode.i_block, target.data(), target.size());
      inode.i_size = static_cast<__u32>(target.size());
      return {};
    }
    std::vector<std::byte> block(Ext4Volume::kBlockBytes);
    std::memcpy(block.data(), target.data(), target.size());
    return put_blocks(inode, number, block, target.size());
  }

  static Result<void> put_special(ext2_inode_large& inode, const Ext4Special& special) {
    const bool device =
        special.kind == Ext4Special::Kind::kCharDevice || special.kind == Ext4Special::Kind::kBlockDevice;
    if (!device) return {};
    if (special.major < 256 && special.minor < 256) {
      inode.i_block[0] = special.major << 8 | special.minor;
      return {};
    }
    if (special.major >= 1U << 12 || special.minor >= 1U << 20) {
      return Error{ErrorCode::kOutOfRange, "device number is too large", ""};
    }
    inode.i_block[1] = (special.minor & 0xffU) | special.major << 8 | (special.minor & ~0xffU) << 12;
    return {};
  }

  Result<void> put_blocks(ext2_inode_large& inode, std::uint32_t number, std::span<const std::byte> blocks,
                          std::uint64_t size) {
    std::vector<Ext4Extent> extents;
    if (auto done = volume_.append(blocks, 0, extents); !done) return done;
    return put_extents(inode, number, extents, size);
  }

  Result<void> put_extents(ext2_inode_large& inode, std::uint32_t number,
                           const std::vector<Ext4Extent>& extents, std::uint64_t size) {
    auto* small = reinterpret_cast<ext2_inode*>(&inode);
    std::uint64_t blocks = 0;
    for (const auto& extent : extents) blocks += extent.count;
    ext2fs_iblk_set(fs_, small, blocks);
    ext2fs_inode_size_set(fs_, small, static_cast<ext2_off64_t>(size));
    ext2_extent_handle_t handle = nullptr;  // also makes the header of an empty tree
    if (const errcode_t code = ext2fs_extent_open2(fs_, number, small, &handle))
      return ext4_error(code, "extents");
    errcode_t code = 0;
    for (std::size_t i = 0; i < extents.size() && code == 0; ++i) code = insert(handle, extents[i]);
    ext2fs_extent_free(handle);
    if (code != 0) return ext4_error(code, "extents");
    return {};
  }

  static errcode_t insert(ext2_extent_handle_t handle, Ext4Extent extent) {
    while (extent.count > 0) {
      const std::uint64_t count = std::min(extent.count, kMaxExtentBlocks);
      ext2fs_extent piece{extent.physical, extent.logical, static_cast<__u32>(count), 0};
      if (const errcode_t code = ext2fs_extent_insert(handle, EXT2_EXTENT_INSERT_AFTER, &piece)) return code;
      if (const errcode_t code = ext2fs_extent_fix_parents(handle)) return code;
      extent = {extent.logical + count, extent.physical + count, extent.count - count};
    }
    return 0;
  }

  Result<void> put_xattrs(const Ext4Node& node) {
    if (node.attributes.xattrs.empty()) return {};
    ext2_xattr_handle* handle = nullptr;
    if (const errcode_t code = ext2fs_xattrs_open(fs_, node.inode, &handle))
      return ext4_error(code, "attributes");
    errcode_t code = 0;
    for (std::size_t i = 0; i < node.attributes.xattrs.size() && code == 0; ++i) {
      const auto& xattr = node.attributes.xattrs[i];
      code = ext2fs_xattr_set(handle, xattr.name.c_str(), xattr.value.data(), xattr.value.size());
    }
    ext2fs_xattrs_close(&handle);
    if (code != 0) return ext4_error(code, "extended attributes");
    return {};
  }

  Ext4Volume& volume_;
  ext2_filsys fs_;
  std::uint32_t next_inode_;
  std::vector<Place> places_;
  Ext4Node* lost_and_found_ = nullptr;
};

}  // namespace

Result<void> write_tree(Ext4Volume& volume, Ext4Tree& tree) {
  return TreeWriter(volume).write(tree);
}

}  // namespace tl::storage
