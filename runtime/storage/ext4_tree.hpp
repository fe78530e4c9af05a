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

struct Ext4Name {
  std::shared_ptr<Ext4Node> node;
  std::uint32_t layer = 0;  // in which of the tree's layers the name was put, or put anew
};
struct Ext4Directory {
  std::map<std::string, Ext4Name, std::less<>> children;
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
// nothing; ".." is refused. A path that goes through a symbolic link is refused too, or the link is resolved
// within this tree, whose root is the root of absolute links and where ".." ends; the last component never
// is. Missing parents are made (0755, root). Depth, names, links on the way and the memory all of it takes
// are bounded, the last by kMaxMetadataBytes: the paths come from archives of strangers. Errors: kOutOfRange
// with the path.
//
// A tree can grow by layers, each hiding things of those before it and nothing of its own, in whatever order
// the two come: OCI image specification, "Whiteouts".
class Ext4Tree {
 public:
  enum class Links { kRefuse, kResolve };
  static constexpr int kMaxLinks = 40;  // as the kernel's MAXSYMLINKS
  static constexpr std::size_t kMaxPathBytes = 4096;
  static constexpr std::size_t kMaxDepth = 1000;
  static constexpr std::uint64_t kMaxMetadataBytes = std::uint64_t{1} << 30;

  // `released` is told of every file whose last name goes away, so that its blocks can be given back.
  explicit Ext4Tree(std::function<void(const Ext4File&)> released, Links links = Links::kRefuse);

  // A node takes the place of what has this name (a later archive entry wins); only a directory over a
  // directory keeps the children and takes the new attributes. The root can only be a directory.
  Result<void> put(std::string_view path, std::shared_ptr<Ext4Node> node);
  // A second name for what `existing` names, which must be there and not be a directory.
  Result<void> link(std::string_view path, std::string_view existing);
  // With everything below it. Missing is no error: false.
  Result<bool> remove(std::string_view path);

  // What is put from now on is of the next layer.
  void begin_layer() { ++layer_; }
  // Removes what earlier layers have at the path, or below the folder. Missing is no error.
  Result<void> hide(std::string_view path);
  Result<void> hide_contents(std::string_view folder);

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
  Result<std::shared_ptr<Ext4Node>> walk(std::string_view path, std::vector<std::string> folders,
                                         MissingParents missing);
  void hide_below(Ext4Node& folder);
  void hide_name(Ext4Node& folder, const std::string& name);
  Result<void> attach(const Place& place, std::shared_ptr<Ext4Node> node);
  void detach(Ext4Node& parent, const std::string& name);
  Result<void> charge(std::size_t bytes);

  std::shared_ptr<Ext4Node> root_;
  std::function<void(const Ext4File&)> released_;
  Links links_;
  std::uint32_t layer_ = 0;
  std::uint64_t metadata_bytes_ = 0;
};

}  // namespace tl::storage
