// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <ext2fs/ext2fs.h>

#include "common/result.hpp"
#include "runtime/storage/ext4_tree.hpp"

namespace tl::storage {

// Reads an ext4 file system on a file of the host by libext2fs: no root, no mounting, nothing is written.
//
// The file system is a stranger's, for a hostile guest may have written it. What it says of where things lie
// is checked against its own size; and as its blocks belong to one file each, all that one reader reads
// together is bounded by a few times its size, however often the file system names the same ones. Names have
// no slash, no NUL and at most 255 bytes; what names and attributes take in memory is bounded by
// Ext4Tree::kMaxMetadataBytes for all that the reader hands out. Errors are kFailure and name the inode.
//
// Refused by name: files that are encrypted or kept in their inode, which no image of ours has. One thread at
// a time.
class Ext4Reader {
 public:
  struct Folder {};
  struct Inode {
    std::uint32_t number = 0;
    std::uint32_t names = 0;  // as it claims
    Ext4Attributes attributes;
    std::variant<Folder, Ext4File, Ext4Symlink, Ext4Special> content;

    [[nodiscard]] bool is_folder() const { return std::holds_alternative<Folder>(content); }
  };
  struct Child {
    std::string name;
    std::uint32_t inode = 0;
  };
  static constexpr std::uint32_t kRoot = EXT2_ROOT_INO;

  // kFailure when it is no file system, or larger than its file, or one that has to be mounted first because
  // its journal is not empty.
  static Result<std::unique_ptr<Ext4Reader>> open(const std::string& path);
  Ext4Reader(const Ext4Reader&) = delete;
  Ext4Reader& operator=(const Ext4Reader&) = delete;

  [[nodiscard]] std::uint32_t block_bytes() const { return fs_->blocksize; }
  [[nodiscard]] std::uint64_t size_bytes() const;

  // The extents of a file end where it does.
  Result<Inode> inode(std::uint32_t number);
  // By name; without "." and "..".
  Result<std::vector<Child>> children(std::uint32_t folder);
  // Whole blocks, of an extent that inode() has given.
  Result<void> read(std::uint64_t physical, std::span<std::byte> into);

 private:
  struct Free {
    void operator()(struct_ext2_filsys* fs) const { ext2fs_free(fs); }  // writes nothing
  };
  explicit Ext4Reader(ext2_filsys fs);
  Result<ext2_inode_large> load(std::uint32_t number);
  Result<Ext4Symlink> symlink(std::uint32_t number, ext2_inode_large& inode);
  Result<std::vector<Ext4Attributes::Xattr>> xattrs(std::uint32_t number);
  Result<std::vector<Ext4Extent>> extents(std::uint32_t number, ext2_inode_large& inode);
  Result<void> add_entries(std::span<std::byte> block, std::vector<Child>& children);
  Result<void> charge(std::uint64_t bytes);

  std::unique_ptr<struct_ext2_filsys, Free> fs_;
  std::uint64_t blocks_left_;
  std::uint64_t metadata_left_ = Ext4Tree::kMaxMetadataBytes;
};

}  // namespace tl::storage
