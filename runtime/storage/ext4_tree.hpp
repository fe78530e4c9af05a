// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/result.hpp"

namespace tl::storage {

// What every kind of file has.
struct Ext4Attributes {
  struct Xattr {
    std::string
        name;  // in full, "security.capability"; POSIX ACLs as the kernel's "system.posix_acl_*" values
    std::string value;
  };
  std::uint32_t mode = 0644;  // permissions with setuid, setgid, sticky (07777), without the type
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t mtime_seconds = 0;
  std::uint32_t mtime_nanoseconds = 0;
  std::vector<Xattr> xattrs;
};

// `count` file system blocks of a file, from its block `logical` on, lie at `physical` of the disk.
struct Ext4Extent {
  std::uint64_t logical;
  std::uint64_t physical;
  std::uint64_t count;
};

struct Ext4Node;

struct Ext4Directory {
  std::map<std::string, std::shared_ptr<Ext4Node>, std::less<>> children;
};
struct Ext4File {
  std::vector<Ext4Extent> extents;  // ascending; what they leave out are holes
  std::uint64_t size_bytes = 0;
};
struct Ext4Symlink {
  std::string target;
};
struct Ext4Special {
  enum class Kind { kCharDevice, kBlockDevice, kFifo, kSocket };
  Kind kind;
  std::uint32_t major = 0;  // devices only
  std::uint32_t minor = 0;
};

struct Ext4Node {
  Ext4Attributes attributes;
  std::variant<Ext4Directory, Ext4File, Ext4Symlink, Ext4Special> content;
  std::uint32_t names = 0;  // directory entries that point here
  std::uint32_t inode = 0;  // given when the file system is written

  [[nodiscard]] Ext4Directory* directory() { return std::get_if<Ext4Directory>(&content); }
};

// The names of a file system that is being made, in memory: the data are on the disk already, inodes and
// directories are written when nothing changes any more. So replacing and removing is cheap, and no path is
// ever resolved by the host's kernel.
//
// Paths are relative to the root whether they start with a slash or not; empty and "." components mean
// nothing;
// ".." is refused, and so is a path that goes through a symbolic link: links are never followed. Missing
// parents are made (0755, root). Depth, names and the memory all of it takes are bounded, the last by
// kMaxMetadataBytes: the paths come from archives of strangers. Errors: kOutOfRange with the path.
class Ext4Tree {
 public:
  static constexpr std::size_t kMaxPathBytes = 4096;
  static constexpr std::size_t kMaxDepth = 1000;
  static constexpr std::uint64_t kMaxMetadataBytes = std::uint64_t{1} << 30;

  // `released` is told of every file whose last name goes away, so that its blocks can be given back.
  explicit Ext4Tree(std::function<void(const Ext4File&)> released);

  // A node takes the place of what has this name (a later archive entry wins); only a directory over a
  // directory keeps the children and takes the new attributes. The root can only be a directory.
  Result<void> put(std::string_view path, std::shared_ptr<Ext4Node> node);
  // A second name for what `existing` names, which must be there and not be a directory.
  Result<void> link(std::string_view path, std::string_view existing);
  // With everything below it. Missing is no error: false.
  Result<bool> remove(std::string_view path);

  // nullptr when there is none.
  Result<std::shared_ptr<Ext4Node>> find(std::string_view path);
  [[nodiscard]] const std::shared_ptr<Ext4Node>& root() const { return root_; }

 private:
  struct Place {
    std::shared_ptr<Ext4Node>
        parent;  // nullptr: the path is the root itself, or (unless made) a parent is missing
    std::string name;
  };
  enum class MissingParents { kMake, kLeave };
  Result<Place> locate(std::string_view path, MissingParents missing);
  Result<void> attach(const Place& place, std::shared_ptr<Ext4Node> node);
  void detach(Ext4Node& parent, const std::string& name);
  Result<void> charge(std::size_t bytes);

  std::shared_ptr<Ext4Node> root_;
  std::function<void(const Ext4File&)> released_;
  std::uint64_t metadata_bytes_ = 0;
};

}  // namespace tl::storage
