// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/folder_import.hpp"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/sha256.hpp"
#include "common/unique_fd.hpp"
#include "runtime/storage/folder_walk.hpp"

namespace tl::storage {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;
constexpr std::size_t kMaxXattrBytes = std::size_t{64} << 10;  // XATTR_LIST_MAX, XATTR_SIZE_MAX
constexpr std::size_t kMaxLinkBytes = 4096;

bool is_kept(std::string_view name) {
  for (const std::string_view label :
       {"security.selinux", "security.SMACK64", "security.ima", "security.evm"}) {
    if (name == label) return false;
  }
  for (const std::string_view prefix : {"user.", "trusted.", "security.", "system.posix_acl_"}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

// Of symbolic links too, which have no descriptor that could be asked.
Result<std::vector<Ext4Attributes::Xattr>> xattrs_of(const FolderEntry& entry) {
  const std::string path = fmt::format("/proc/self/fd/{}/{}", entry.folder_fd, entry.name);
  std::string names(kMaxXattrBytes, '\0');
  const ssize_t listed = ::llistxattr(path.c_str(), names.data(), names.size());
  if (listed < 0 && errno == ENOTSUP) return std::vector<Ext4Attributes::Xattr>();
  if (listed < 0) return errno_error("attributes of " + entry.path);
  names.resize(static_cast<std::size_t>(listed));
  std::vector<Ext4Attributes::Xattr> xattrs;
  for (std::size_t begin = 0; begin < names.size();) {
    const std::string name = names.c_str() + begin;
    begin += name.size() + 1;
    if (!is_kept(name)) continue;
    std::string value(kMaxXattrBytes, '\0');
    const ssize_t size = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    if (size < 0 && errno == ENODATA) continue;
    if (size < 0) return errno_error(fmt::format("attribute {} of {}", name, entry.path));
    value.resize(static_cast<std::size_t>(size));
    xattrs.push_back({name, std::move(value)});
  }
  return xattrs;
}

class FolderImport {
 public:
  FolderImport(Ext4Builder& builder, FolderOwners owners, const ImportWatch& watch)
      : builder_(builder), owners_(owners), watch_(watch), buffer_(kReadBytes) {}

  Result<void> add(const FolderEntry& entry) {
    if (auto wanted = watch_.check(); !wanted) return wanted;
    if (++entries_ % 1000 == 0) watch_.tell(fmt::format("{} files, {} MiB", entries_, data_bytes_ >> 20));
    if (!S_ISDIR(entry.status.st_mode) && entry.status.st_nlink > 1) {
      const auto [first, is_new] =
          names_.emplace(std::pair(entry.status.st_dev, entry.status.st_ino), entry.path);
      if (!is_new) return builder_.add_hard_link(entry.path, first->second);
    }
    auto attributes = attributes_of(entry);
    if (!attributes) return attributes.error();
    switch (entry.status.st_mode & S_IFMT) {
      case S_IFREG:
        return add_file(entry, *std::move(attributes));
      case S_IFDIR:
        return builder_.add_directory(entry.path, *std::move(attributes));
      case S_IFLNK:
        return add_symlink(entry, *std::move(attributes));
      case S_IFCHR:
        return add_special(entry, Ext4Special::Kind::kCharDevice, *std::move(attributes));
      case S_IFBLK:
        return add_special(entry, Ext4Special::Kind::kBlockDevice, *std::move(attributes));
      case S_IFIFO:
        return add_special(entry, Ext4Special::Kind::kFifo, *std::move(attributes));
      default:
        return add_special(entry, Ext4Special::Kind::kSocket, *std::move(attributes));
    }
  }

 private:
  Result<Ext4Attributes> attributes_of(const FolderEntry& entry) {
    auto xattrs = xattrs_of(entry);
    if (!xattrs) return xattrs.error();
    const struct stat& status = entry.status;
    const bool map = owners_ == FolderOwners::kOursAreRoots;
    return Ext4Attributes{.mode = status.st_mode & 07777U,
                          .uid = map && status.st_uid == ::getuid() ? 0 : status.st_uid,
                          .gid = map && status.st_gid == ::getgid() ? 0 : status.st_gid,
                          .mtime_seconds = status.st_mtim.tv_sec,
                          .mtime_nanoseconds = static_cast<std::uint32_t>(status.st_mtim.tv_nsec),
                          .xattrs = *std::move(xattrs)};
  }

  Result<void> add_symlink(const FolderEntry& entry, Ext4Attributes attributes) {
    std::string target(kMaxLinkBytes, '\0');
    const ssize_t size = ::readlinkat(entry.folder_fd, entry.name.c_str(), target.data(), target.size());
    if (size < 0) return errno_error("read the link " + entry.path);
    target.resize(static_cast<std::size_t>(size));
    return builder_.add_symlink(entry.path, target, std::move(attributes));
  }

  Result<void> add_special(const FolderEntry& entry, Ext4Special::Kind kind, Ext4Attributes attributes) {
    return builder_.add_special(entry.path, {kind, major(entry.status.st_rdev), minor(entry.status.st_rdev)},
                                std::move(attributes));
  }

  Result<void> add_file(const FolderEntry& entry, Ext4Attributes attributes) {
    const UniqueFd file(::openat(entry.folder_fd, entry.name.c_str(),
                                 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!file) return errno_error("open " + entry.path);
    struct stat status = {};
    if (::fstat(file.get(), &status) != 0) return errno_error("stat " + entry.path);
    if (!S_ISREG(status.st_mode) || status.st_ino != entry.status.st_ino)
      return Error{ErrorCode::kFailure, entry.path + " was replaced while it was read", ""};
    if (auto copied = copy_data(file.get(), status.st_size); !copied)
      return copied.error().within(entry.path);
    return builder_.add_file(entry.path, static_cast<std::uint64_t>(status.st_size), std::move(attributes));
  }

  // What is appended meanwhile does not belong to it.
  Result<void> copy_data(int file, off_t size) {
    for (off_t at = 0; at < size;) {
      const off_t data = ::lseek(file, at, SEEK_DATA);
      if (data < 0 && errno == ENXIO) return {};  // a hole up to the end
      const off_t begin = data < 0 ? at : data;   // a file system that knows of no holes
      const off_t hole = data < 0 ? size : ::lseek(file, begin, SEEK_HOLE);
      const off_t end = hole < 0 ? size : std::min(hole, size);
      if (auto copied = copy_range(file, begin, end); !copied) return copied;
      at = std::max(end, begin + 1);
    }
    return {};
  }

  Result<void> copy_range(int file, off_t at, off_t end) {
    while (at < end) {
      if (auto wanted = watch_.check(); !wanted) return wanted;
      const auto most = static_cast<std::size_t>(std::min<off_t>(end - at, kReadBytes));
      const ssize_t count = ::pread(file, buffer_.data(), most, at);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return errno_error("read");
      if (count == 0) return Error{ErrorCode::kFailure, "it became shorter while it was read", ""};
      data_bytes_ += static_cast<std::uint64_t>(count);
      if (data_bytes_ > builder_.size_bytes()) {
        return Error{ErrorCode::kOutOfRange, "the contents do not fit on the disk",
                     "ask for a larger disk with --disk_mb"};
      }
      const auto bytes = std::span(buffer_).first(static_cast<std::size_t>(count));
      if (auto written = builder_.write(static_cast<std::uint64_t>(at), bytes); !written) return written;
      at += count;
    }
    return {};
  }

  Ext4Builder& builder_;
  FolderOwners owners_;
  const ImportWatch& watch_;
  std::vector<std::byte> buffer_;
  std::map<std::pair<dev_t, ino_t>, std::string> names_;  // the first of each file that has several
  std::uint64_t entries_ = 0;
  std::uint64_t data_bytes_ = 0;
};

}  // namespace

Result<void> add_folder(Ext4Builder& builder, int folder, FolderOwners owners, const ImportWatch& watch) {
  FolderImport import(builder, owners, watch);
  return walk_folder(folder, [&import](const FolderEntry& entry) { return import.add(entry); });
}

Result<std::string> digest_of_folder(int folder, FolderOwners owners, const ImportWatch& watch) {
  Sha256 sha;
  sha.update(owners == FolderOwners::kAsTheyAre ? "as they are" : fmt::format("ours: {}", ::getuid()));
  const auto walked = walk_folder(folder, [&sha, &watch](const FolderEntry& entry) -> Result<void> {
    const struct stat& status = entry.status;
    sha.update(std::string_view(entry.path.c_str(), entry.path.size() + 1));
    const std::array<std::uint64_t, 12> facts = {status.st_dev,
                                                 status.st_ino,
                                                 status.st_mode,
                                                 status.st_nlink,
                                                 status.st_uid,
                                                 status.st_gid,
                                                 status.st_rdev,
                                                 static_cast<std::uint64_t>(status.st_size),
                                                 static_cast<std::uint64_t>(status.st_mtim.tv_sec),
                                                 static_cast<std::uint64_t>(status.st_mtim.tv_nsec),
                                                 static_cast<std::uint64_t>(status.st_ctim.tv_sec),
                                                 static_cast<std::uint64_t>(status.st_ctim.tv_nsec)};
    sha.update(std::as_bytes(std::span(facts)));
    return watch.check();
  });
  if (!walked) return walked.error();
  return "sha256:" + sha.finish();
}

}  // namespace tl::storage
