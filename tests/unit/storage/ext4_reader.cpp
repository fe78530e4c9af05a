// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/storage/ext4_reader.hpp"

#include "tests/support/catch.hpp"
#include "tests/unit/storage/image_support.hpp"

namespace tl::storage::test {
namespace {

constexpr std::size_t kNamesRoom = std::size_t{1} << 16;

// libext2fs's lookup follows links only when asked to, and this one never asks.
errcode_t look_up(ext2_filsys fs, const std::string& path, ext2_ino_t* number) {
  *number = EXT2_ROOT_INO;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    begin = end + 1;
    if (name.empty()) continue;
    const errcode_t code =
        ext2fs_lookup(fs, *number, name.c_str(), static_cast<int>(name.size()), nullptr, number);
    if (code != 0) return code;
  }
  return 0;
}

int collect(ext2_dir_entry* entry, int, int, char*, void* names) {
  const std::string name(entry->name, static_cast<std::size_t>(ext2fs_dirent_name_len(entry)));
  if (name != "." && name != "..") static_cast<std::vector<std::string>*>(names)->push_back(name);
  return 0;
}

}  // namespace

Ext4Reader::Ext4Reader(const std::filesystem::path& image) {
  REQUIRE(ext2fs_open(image.c_str(), EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs_) == 0);
}

Ext4Reader::~Ext4Reader() {
  ext2fs_free(fs_);
}

std::uint32_t Ext4Reader::inode_number(const std::string& path) const {
  ext2_ino_t number = 0;
  INFO(path);
  REQUIRE(look_up(fs_, path, &number) == 0);
  return number;
}

bool Ext4Reader::exists(const std::string& path) const {
  ext2_ino_t number = 0;
  return look_up(fs_, path, &number) == 0;
}

ext2_inode_large Ext4Reader::inode(const std::string& path) const {
  ext2_inode_large inode = {};
  REQUIRE(ext2fs_read_inode_full(fs_, inode_number(path), reinterpret_cast<ext2_inode*>(&inode),
                                 sizeof inode) == 0);
  return inode;
}

std::string Ext4Reader::contents(const std::string& path) const {
  const ext2_inode_large node = inode(path);
  if (LINUX_S_ISLNK(node.i_mode) && node.i_size < sizeof node.i_block) {
    return std::string(reinterpret_cast<const char*>(node.i_block), node.i_size);
  }
  ext2_file_t file = nullptr;
  REQUIRE(ext2fs_file_open(fs_, inode_number(path), 0, &file) == 0);
  __u64 size = 0;
  REQUIRE(ext2fs_file_get_lsize(file, &size) == 0);
  std::string data(size, '?');
  unsigned got = 0;
  REQUIRE(ext2fs_file_read(file, data.data(), static_cast<unsigned>(size), &got) == 0);
  REQUIRE(got == size);
  ext2fs_file_close(file);
  return data;
}

std::string Ext4Reader::xattr(const std::string& path, const std::string& name) const {
  ext2_xattr_handle* handle = nullptr;
  REQUIRE(ext2fs_xattrs_open(fs_, inode_number(path), &handle) == 0);
  unsigned int flags = XATTR_HANDLE_FLAG_RAW;  // its own form of ACLs has numbers that nobody set
  REQUIRE(ext2fs_xattrs_flags(handle, &flags, nullptr) == 0);
  REQUIRE(ext2fs_xattrs_read(handle) == 0);
  void* value = nullptr;
  std::size_t size = 0;
  INFO(path << " " << name);
  REQUIRE(ext2fs_xattr_get(handle, name.c_str(), &value, &size) == 0);
  std::string text(static_cast<const char*>(value), size);
  ext2fs_free_mem(&value);
  ext2fs_xattrs_close(&handle);
  return text;
}

std::vector<std::string> Ext4Reader::names(const std::string& path) const {
  std::vector<std::string> names;
  std::vector<char> buffer(kNamesRoom);
  REQUIRE(ext2fs_dir_iterate(fs_, inode_number(path), 0, buffer.data(), collect, &names) == 0);
  return names;
}

bool is_clean(const std::filesystem::path& image) {
  if (!has_program("e2fsck")) {
    WARN("skipped: e2fsck is not installed (package e2fsprogs)");
    return true;
  }
  const Output output = run({"e2fsck", "-fn", image});
  INFO(output.text);
  CHECK(output.code == 0);
  return output.code == 0;
}

}  // namespace tl::storage::test
