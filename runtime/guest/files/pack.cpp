// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/files/pack.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

#include "common/unique_fd.hpp"

namespace tl::guest {
namespace {

constexpr std::size_t kBuffer = 256 * 1024;
constexpr int kBlock = 64 * 1024;  // what libarchive hands out at a time
constexpr mode_t kPermissions = 0777;

struct Extent {
  std::int64_t begin, end;
};

// Where the file has data. Everything, when it has no holes or the file system does not say.
std::vector<Extent> extents_of(int fd, const struct stat& status) {
  constexpr blkcnt_t kSector = 512;
  if (status.st_blocks * kSector >= status.st_size) return {{0, status.st_size}};
  std::vector<Extent> extents;
  std::int64_t at = 0;
  while (at < status.st_size) {
    const off_t data = ::lseek(fd, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) return extents;
    if (data < 0) return {{0, status.st_size}};
    if (data >= status.st_size) return extents;
    const off_t hole = ::lseek(fd, data, SEEK_HOLE);
    const bool last = hole < 0 || extents.size() + 1 == kMaxExtents;
    at = last ? status.st_size : std::min<std::int64_t>(hole, status.st_size);
    extents.push_back({data, at});
  }
  return extents;
}

class Packer {
 public:
  Packer(std::string top, int fd)
      : top_(std::move(top)),
        fd_(fd),
        entry_(archive_entry_new(), &archive_entry_free),
        buffer_(kBuffer),
        zeroes_(kBuffer),
        writer_(archive_write_new(), &archive_write_free) {}

  Result<Packed> run() {
    const auto done = pack_all();
    if (done) return packed_;
    // Freeing the writer ends the archive as if it were whole: none of that is to be seen.
    discard_ = true;
    if (!reader_gone_) return done.error();
    packed_.complete = false;
    return packed_;
  }

 private:
  Result<void> pack_all() {
    struct stat status {};
    if (::stat(top_.c_str(), &status) != 0) {
      if (errno == ENOENT) return Error{ErrorCode::kNotFound, "there is no file or folder " + top_, ""};
      return errno_error("look at " + top_);
    }
    if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode)) {
      return Error{ErrorCode::kConflict, top_ + " is neither a file nor a folder",
                   "a stream is copied from stdin: give - as SRC"};
    }
    if (auto opened = open_archive(); !opened) return opened;
    if (S_ISDIR(status.st_mode)) {
      root_.reset(::open(top_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!root_) return errno_error("open " + top_);
    }
    // The last one is the next: what is in a folder comes before what is beside it.
    std::vector<std::string> pending = {""};
    while (!pending.empty()) {
      const std::string path = std::move(pending.back());
      pending.pop_back();
      if (auto added = add(path, pending); !added) return added;
    }
    return check(archive_write_close(writer_.get()));
  }

  Result<void> open_archive() {
    archive* writer = writer_.get();
    archive_write_set_format_pax(writer);
    // Names are bytes, in whatever locale.
    auto ready = check(archive_write_set_format_option(writer, "pax", "hdrcharset", "BINARY"));
    if (!ready) return ready;
    archive_write_set_bytes_per_block(writer, kBlock);
    archive_write_set_bytes_in_last_block(writer, 1);
    return check(archive_write_open(writer, this, nullptr, take, nullptr));
  }

  // Never fails for libarchive, which would not free what it has: check() tells.
  static la_ssize_t take(archive*, void* self, const void* bytes, std::size_t length) {
    auto& packer = *static_cast<Packer*>(self);
    if (packer.discard_) return static_cast<la_ssize_t>(length);
    ssize_t written = 0;
    do written = ::write(packer.fd_, bytes, length);
    while (written < 0 && errno == EINTR);
    if (written >= 0) return written;
    packer.reader_gone_ = errno == EPIPE;
    packer.write_error_ = errno_error("write");
    packer.discard_ = true;
    return static_cast<la_ssize_t>(length);
  }

  Result<void> check(la_ssize_t status) {
    if (write_error_) return *write_error_;
    if (status >= ARCHIVE_WARN) return {};
    const char* why = archive_error_string(writer_.get());
    return Error{ErrorCode::kFailure, "pack " + top_ + ": " + (why != nullptr ? why : "no reason given"), ""};
  }

  [[nodiscard]] std::string shown(const std::string& path) const {
    return path.empty() ? top_ : top_ + (top_.back() == '/' ? "" : "/") + path;
  }

  // Of the top itself a symbolic link is followed, of nothing below.
  int look(const std::string& path, struct stat& status) const {
    if (path.empty()) return root_ ? ::fstat(root_.get(), &status) : ::stat(top_.c_str(), &status);
    return ::fstatat(root_.get(), path.c_str(), &status, AT_SYMLINK_NOFOLLOW);
  }

  Result<void> add(const std::string& path, std::vector<std::string>& pending) {
    struct stat status {};
    if (look(path, status) != 0) return errno_error("look at " + shown(path));
    if (S_ISREG(status.st_mode)) return add_file(path);
    if (S_ISDIR(status.st_mode)) return add_folder(path, status, pending);
    if (S_ISLNK(status.st_mode)) return add_link(path, status);
    if (packed_.left_out++ == 0) packed_.first_left_out = shown(path);
    return {};
  }

  // A fresh header for what is at the path.
  archive_entry* describe(const std::string& path, const struct stat& status) {
    archive_entry* entry = entry_.get();
    archive_entry_clear(entry);
    const std::string name = path.empty() ? kArchiveRoot : kArchiveRoot + ("/" + path);
    archive_entry_copy_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, status.st_mode & S_IFMT);
    archive_entry_set_perm(entry, status.st_mode & kPermissions);
    archive_entry_set_mtime(entry, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    archive_entry_set_size(entry, 0);
    return entry;
  }

  Result<void> write_header(archive_entry* entry) {
    return check(archive_write_header(writer_.get(), entry));
  }

  Result<void> add_folder(const std::string& path, const struct stat& status,
                          std::vector<std::string>& pending) {
    if (auto written = write_header(describe(path, status)); !written) return written;
    UniqueFd folder(::openat(root_.get(), path.empty() ? "." : path.c_str(),
                             O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) return errno_error("open " + shown(path));
    const std::unique_ptr<DIR, int (*)(DIR*)> list(::fdopendir(folder.get()),
                                                   [](DIR* dir) { return ::closedir(dir); });
    if (!list) return errno_error("read " + shown(path));
    static_cast<void>(folder.release());
    const auto before = static_cast<std::ptrdiff_t>(pending.size());
    for (;;) {
      errno = 0;
      const dirent* each = ::readdir(list.get());
      if (each == nullptr && errno != 0) return errno_error("read " + shown(path));
      if (each == nullptr) break;
      const std::string name = each->d_name;
      if (name == "." || name == "..") continue;
      pending.push_back(path.empty() ? name : path + "/" + name);
    }
    std::sort(pending.begin() + before, pending.end(), std::greater<>());
    return {};
  }

  Result<void> add_link(const std::string& path, const struct stat& status) {
    std::string target(static_cast<std::size_t>(PATH_MAX), '\0');
    const ssize_t length = ::readlinkat(root_.get(), path.c_str(), target.data(), target.size());
    if (length < 0) return errno_error("read the link " + shown(path));
    target.resize(static_cast<std::size_t>(length));
    archive_entry* entry = describe(path, status);
    archive_entry_copy_symlink(entry, target.c_str());
    return write_header(entry);
  }

  // A file that grows meanwhile is copied as long as it was.
  Result<void> add_file(const std::string& path) {
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    const UniqueFd file(path.empty() ? ::open(top_.c_str(), flags)
                                     : ::openat(root_.get(), path.c_str(), flags | O_NOFOLLOW));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0) return errno_error("open " + shown(path));
    if (!S_ISREG(status.st_mode)) {
      return Error{ErrorCode::kFailure, shown(path) + " changed while it was copied", ""};
    }
    archive_entry* entry = describe(path, status);
    if (status.st_nlink > 1) {
      const auto [first, fresh] = linked_.try_emplace({status.st_dev, status.st_ino}, path);
      if (!fresh) {
        archive_entry_copy_hardlink(entry, (kArchiveRoot + ("/" + first->second)).c_str());
        return write_header(entry);
      }
    }
    const auto extents = extents_of(file.get(), status);
    const bool dense = extents.size() == 1 && extents[0].begin == 0 && extents[0].end == status.st_size;
    if (dense && status.st_size < static_cast<off_t>(buffer_.size()))
      return add_small_file(path, file.get(), status);
    archive_entry_set_size(entry, status.st_size);
    if (extents.empty() && status.st_size > 0) archive_entry_sparse_add_entry(entry, 0, 0);
    for (const Extent& each : extents) {
      if (each.end > each.begin) archive_entry_sparse_add_entry(entry, each.begin, each.end - each.begin);
    }
    if (auto written = write_header(entry); !written) return written;
    std::int64_t at = 0;
    for (const Extent& each : extents) {
      if (auto skipped = write_hole(each.begin - at); !skipped) return skipped;
      if (auto copied = write_data(path, file.get(), each); !copied) return copied;
      at = each.end;
    }
    packed_.bytes += static_cast<std::uint64_t>(status.st_size);
    return write_hole(status.st_size - at);
  }

  // Read before its length is announced, for files of the kernel's (/proc, /sys) do not tell it.
  Result<void> add_small_file(const std::string& path, int file, const struct stat& status) {
    std::size_t length = 0;
    while (length < buffer_.size()) {
      const ssize_t got = ::read(file, buffer_.data() + length, buffer_.size() - length);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return errno_error("read " + shown(path));
      if (got == 0) break;
      length += static_cast<std::size_t>(got);
    }
    if (length == buffer_.size()) {
      if (status.st_size == 0)
        return Error{ErrorCode::kFailure, shown(path) + " does not tell its length", ""};
      length = static_cast<std::size_t>(status.st_size);
    }
    archive_entry_set_size(entry_.get(), static_cast<la_int64_t>(length));
    if (auto written = write_header(entry_.get()); !written) return written;
    packed_.bytes += length;
    return check(archive_write_data(writer_.get(), buffer_.data(), length));
  }

  // libarchive drops what it knows to be a hole.
  Result<void> write_hole(std::int64_t length) {
    while (length > 0) {
      const auto piece = std::min(length, static_cast<std::int64_t>(zeroes_.size()));
      const la_ssize_t n = archive_write_data(writer_.get(), zeroes_.data(), static_cast<std::size_t>(piece));
      if (n <= 0) return check(n < 0 ? n : ARCHIVE_FATAL);
      length -= n;
    }
    return {};
  }

  Result<void> write_data(const std::string& path, int file, const Extent& extent) {
    std::int64_t at = extent.begin;
    while (at < extent.end) {
      const auto wanted = std::min(extent.end - at, static_cast<std::int64_t>(buffer_.size()));
      const ssize_t got = ::pread(file, buffer_.data(), static_cast<std::size_t>(wanted), at);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return errno_error("read " + shown(path));
      if (got == 0) {
        return Error{ErrorCode::kFailure, shown(path) + " became shorter while it was copied", ""};
      }
      if (auto written =
              check(archive_write_data(writer_.get(), buffer_.data(), static_cast<std::size_t>(got)));
          !written) {
        return written;
      }
      at += got;
    }
    return {};
  }

  std::string top_;
  int fd_;
  std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry_;
  std::vector<std::byte> buffer_;
  std::vector<std::byte> zeroes_;
  UniqueFd root_;  // when the top is a folder
  std::map<std::pair<dev_t, ino_t>, std::string> linked_;
  Packed packed_;
  bool reader_gone_ = false;
  std::optional<Error> write_error_;
  bool discard_ = false;                                // what comes from libarchive
  std::unique_ptr<archive, int (*)(archive*)> writer_;  // goes first, for it calls take()
};

}  // namespace

std::string left_out(const Packed& packed) {
  const std::string kind = "neither a file, a folder nor a symbolic link";
  if (packed.left_out == 1) return "left out " + packed.first_left_out + ", which is " + kind;
  return "left out " + packed.first_left_out + " and " + std::to_string(packed.left_out - 1) +
         " more, each of them " + kind;
}

Result<Packed> pack(const std::string& path, int fd) {
  return Packer(path.empty() ? "." : path, fd).run();
}

}  // namespace tl::guest
