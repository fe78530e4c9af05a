// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_reader.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include <fmt/format.h>

#include "runtime/storage/ext4_acl.hpp"
#include "runtime/storage/ext4_error.hpp"
#include "runtime/storage/ext4_mapping.hpp"

namespace tl::storage {
namespace {

// A sound file system names each block once; the rest is for what is looked at twice.
constexpr std::uint64_t kTimesEachBlock = 4;
constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 44;  // ext4's own bound with blocks of 4 KiB
constexpr std::uint64_t kLargestFolder = std::uint64_t{1} << 32;
constexpr std::uint64_t kBytesOfName = 64;  // what a name takes in memory, about, without its letters
constexpr std::size_t kDirectoryHead = 8;   // of an entry, before the name: linux/fs/ext4, ext4_dir_entry_2
constexpr std::size_t kMaxName = 255;

Error damaged(std::string_view what) {
  return Error{ErrorCode::kFailure, fmt::format("the file system is damaged: {}", what), ""};
}

std::string called(std::uint32_t number) {
  return fmt::format("inode {}", number);
}

// Seconds have 34 bits: 32 signed ones, and 2 in the field of the nanoseconds, where the inode has that
// field.
void set_time(const ext2_inode_large& inode, Ext4Attributes& attributes) {
  attributes.mtime_seconds = static_cast<std::int32_t>(inode.i_mtime);
  constexpr std::size_t kEnd = offsetof(ext2_inode_large, i_mtime_extra) + sizeof inode.i_mtime_extra;
  if (std::size_t{EXT2_GOOD_OLD_INODE_SIZE} + inode.i_extra_isize < kEnd) return;
  attributes.mtime_seconds += static_cast<std::int64_t>(inode.i_mtime_extra & 3U) << 32;
  attributes.mtime_nanoseconds = std::min<std::uint32_t>(inode.i_mtime_extra >> 2, 999'999'999);
}

Ext4Special special_of(const ext2_inode_large& inode) {
  if (S_ISFIFO(inode.i_mode)) return {Ext4Special::Kind::kFifo};
  if (S_ISSOCK(inode.i_mode)) return {Ext4Special::Kind::kSocket};
  const auto kind = S_ISCHR(inode.i_mode) ? Ext4Special::Kind::kCharDevice : Ext4Special::Kind::kBlockDevice;
  // Small numbers are in the first word, as they always were; larger ones in the second.
  const std::uint32_t old = inode.i_block[0];
  if (old != 0) return {kind, old >> 8 & 0xffU, old & 0xffU};
  const std::uint32_t number = inode.i_block[1];
  return {kind, number >> 8 & 0xfffU, (number & 0xffU) | (number >> 12 & 0xfff00U)};
}

bool is_acl(std::string_view name) {
  return name == "system.posix_acl_access" || name == "system.posix_acl_default";
}

bool is_kept(std::string_view name) {
  for (const std::string_view prefix : {"user.", "trusted.", "security."}) {
    if (name.size() > prefix.size() && name.substr(0, prefix.size()) == prefix) return true;
  }
  return is_acl(name);
}

int take_xattr(char* name, char* value, std::size_t size, void* list) {
  if (is_kept(name)) {
    static_cast<std::vector<Ext4Attributes::Xattr>*>(list)->push_back({name, std::string(value, size)});
  }
  return 0;
}

// Cut where the file ends.
void cut(std::vector<Ext4Extent>& extents, std::uint64_t blocks) {
  while (!extents.empty() && extents.back().logical >= blocks) extents.pop_back();
  if (extents.empty()) return;
  extents.back().count = std::min(extents.back().count, blocks - extents.back().logical);
}

}  // namespace

Ext4Reader::Ext4Reader(ext2_filsys fs)
    : fs_(fs), blocks_left_(ext2fs_blocks_count(fs->super) * kTimesEachBlock) {}

Result<std::unique_ptr<Ext4Reader>> Ext4Reader::open(const std::string& path) {
  ext2_filsys opened = nullptr;
  // Empty options: else a question mark in the path would begin them.
  if (const errcode_t code = ext2fs_open2(path.c_str(), "", EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &opened))
    return ext4_error(code, "read the file system");
  std::unique_ptr<Ext4Reader> reader(new Ext4Reader(opened));
  std::error_code failed;
  const auto bytes = std::filesystem::file_size(path, failed);
  if (failed) return errno_error(failed.value(), "look at " + path);
  if (ext2fs_blocks_count(opened->super) > bytes / opened->blocksize) return damaged("it is cut off");
  if (ext2fs_has_feature_journal_needs_recovery(opened->super))
    return Error{ErrorCode::kFailure, "the file system was in use when it was kept",
                 "start a sandbox from it and keep that one's disk"};
  return reader;
}

std::uint64_t Ext4Reader::size_bytes() const {
  return ext2fs_blocks_count(fs_->super) * fs_->blocksize;
}

Result<void> Ext4Reader::charge(std::uint64_t bytes) {
  if (bytes > metadata_left_)
    return Error{ErrorCode::kOutOfRange, "the file system has more names and attributes than tl takes", ""};
  metadata_left_ -= bytes;
  return {};
}

Result<ext2_inode_large> Ext4Reader::load(std::uint32_t number) {
  if (number < EXT2_ROOT_INO || number > fs_->super->s_inodes_count) return damaged("there is no such inode");
  ext2_inode_large inode = {};
  if (const errcode_t code =
          ext2fs_read_inode_full(fs_.get(), number, reinterpret_cast<ext2_inode*>(&inode), sizeof inode))
    return ext4_error(code, "read it");
  if (inode.i_links_count == 0) return damaged("a name of a file that was deleted");
  if ((inode.i_flags & EXT4_ENCRYPT_FL) != 0)
    return Error{ErrorCode::kFailure, "it is encrypted, which tl does not read", ""};
  if ((inode.i_flags & EXT4_INLINE_DATA_FL) != 0)
    return Error{ErrorCode::kFailure, "its data are in its inode, where tl does not read them", ""};
  return inode;
}

Result<std::vector<Ext4Extent>> Ext4Reader::extents(std::uint32_t number, ext2_inode_large& inode) {
  auto mapped = map_ext4_inode(fs_.get(), number, inode, blocks_left_);
  if (!mapped) return mapped;
  if (auto charged = charge(mapped->size() * sizeof(Ext4Extent)); !charged) return charged.error();
  return mapped;
}

Result<Ext4Symlink> Ext4Reader::symlink(std::uint32_t number, ext2_inode_large& inode) {
  const std::uint64_t size = EXT2_I_SIZE(&inode);
  std::string target;
  if (ext2fs_is_fast_symlink(reinterpret_cast<ext2_inode*>(&inode)) != 0) {
    target.assign(reinterpret_cast<const char*>(inode.i_block), size);
  } else {
    const auto where = extents(number, inode);
    if (!where) return where.error();
    if (size == 0 || size >= fs_->blocksize || where->empty() || where->front().logical != 0)
      return damaged("a symbolic link without a target");
    std::vector<std::byte> block(fs_->blocksize);
    if (auto done = read(where->front().physical, block); !done) return done.error();
    target.assign(reinterpret_cast<const char*>(block.data()), size);
  }
  if (target.find('\0') != std::string::npos) return damaged("a symbolic link with a NUL");
  return Ext4Symlink{std::move(target)};
}

Result<std::vector<Ext4Attributes::Xattr>> Ext4Reader::xattrs(std::uint32_t number) {
  ext2_xattr_handle* handle = nullptr;
  if (const errcode_t code = ext2fs_xattrs_open(fs_.get(), number, &handle))
    return ext4_error(code, "extended attributes");
  std::vector<Ext4Attributes::Xattr> list;
  errcode_t code = ext2fs_xattrs_read(handle);
  if (code == 0) code = ext2fs_xattrs_iterate(handle, take_xattr, &list);
  ext2fs_xattrs_close(&handle);
  if (code != 0) return ext4_error(code, "extended attributes");
  for (auto& [name, value] : list) {
    if (!is_acl(name)) continue;
    auto acl = kernel_acl(value);
    if (!acl) return damaged("a damaged ACL");
    value = *std::move(acl);
  }
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return list;
}

Result<Ext4Reader::Inode> Ext4Reader::inode(std::uint32_t number) {
  auto raw = load(number);
  if (!raw) return raw.error().within(called(number));
  Inode inode;
  inode.number = number;
  inode.names = raw->i_links_count;
  inode.attributes.mode = raw->i_mode & 07777U;
  inode.attributes.uid = inode_uid(*raw);
  inode.attributes.gid = inode_gid(*raw);
  set_time(*raw, inode.attributes);
  auto list = xattrs(number);
  if (!list) return list.error().within(called(number));
  inode.attributes.xattrs = *std::move(list);
  if (S_ISREG(raw->i_mode)) {
    Ext4File file;
    file.size_bytes = EXT2_I_SIZE(&*raw);
    if (file.size_bytes > kLargestFile) return damaged("a file of absurd size").within(called(number));
    auto where = extents(number, *raw);
    if (!where) return where.error().within(called(number));
    file.extents = *std::move(where);
    cut(file.extents, (file.size_bytes + fs_->blocksize - 1) / fs_->blocksize);
    inode.content = std::move(file);
  } else if (S_ISLNK(raw->i_mode)) {
    auto link = symlink(number, *raw);
    if (!link) return link.error().within(called(number));
    inode.content = *std::move(link);
  } else if (S_ISCHR(raw->i_mode) || S_ISBLK(raw->i_mode) || S_ISFIFO(raw->i_mode) || S_ISSOCK(raw->i_mode)) {
    inode.content = special_of(*raw);
  } else if (!S_ISDIR(raw->i_mode)) {
    return damaged("a file of unknown type").within(called(number));
  }
  return inode;
}

Result<void> Ext4Reader::read(std::uint64_t physical, std::span<std::byte> into) {
  TL_CHECK(into.size() % fs_->blocksize == 0);
  const auto count = static_cast<int>(into.size() / fs_->blocksize);
  if (const errcode_t code = io_channel_read_blk64(fs_->io, physical, count, into.data()))
    return ext4_error(code, "read the file system");
  return {};
}

// A node of the hash tree looks like one empty entry as long as the block, and so is passed over.
Result<void> Ext4Reader::add_entries(std::span<std::byte> block, std::vector<Child>& children) {
  for (std::size_t at = 0; at < block.size();) {
    if (block.size() - at < kDirectoryHead) return damaged("a folder's entry is cut off");
    auto* entry = reinterpret_cast<ext2_dir_entry*>(block.data() + at);
    unsigned length = 0;
    if (ext2fs_get_rec_len(fs_.get(), entry, &length) != 0) return damaged("a folder's entry");
    if (length < kDirectoryHead || length % 4 != 0 || length > block.size() - at)
      return damaged("a folder's entry has an impossible length");
    const auto name_length = static_cast<std::size_t>(ext2fs_dirent_name_len(entry));
    if (entry->inode != 0) {
      if (name_length == 0 || name_length > kMaxName || kDirectoryHead + name_length > length)
        return damaged("a name in a folder has an impossible length");
      std::string name(reinterpret_cast<const char*>(block.data() + at + kDirectoryHead), name_length);
      if (name.find('/') != std::string::npos || name.find('\0') != std::string::npos)
        return damaged("a name in a folder has a slash or a NUL");
      if (name != "." && name != "..") {
        if (auto charged = charge(name.size() + kBytesOfName); !charged) return charged;
        children.push_back({std::move(name), entry->inode});
      }
    }
    at += length;
  }
  return {};
}

Result<std::vector<Ext4Reader::Child>> Ext4Reader::children(std::uint32_t folder) {
  auto raw = load(folder);
  if (!raw) return raw.error().within(called(folder));
  if (!S_ISDIR(raw->i_mode)) return damaged("it is no folder").within(called(folder));
  auto where = extents(folder, *raw);
  if (!where) return where.error().within(called(folder));
  cut(*where, std::min<std::uint64_t>(EXT2_I_SIZE(&*raw), kLargestFolder) / fs_->blocksize);
  std::vector<Child> children;
  std::vector<std::byte> block(fs_->blocksize);
  for (const Ext4Extent& extent : *where) {
    for (std::uint64_t i = 0; i < extent.count; ++i) {
      const errcode_t code = ext2fs_read_dir_block4(fs_.get(), extent.physical + i, block.data(), 0, folder);
      if (code != 0) return ext4_error(code, "read the folder").within(called(folder));
      if (auto added = add_entries(block, children); !added) return added.error().within(called(folder));
    }
  }
  std::sort(children.begin(), children.end(), [](const Child& a, const Child& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(children.begin(), children.end(),
                                        [](const Child& a, const Child& b) { return a.name == b.name; });
  if (twice != children.end()) return damaged("a folder has a name twice").within(called(folder));
  return children;
}

}  // namespace tl::storage
