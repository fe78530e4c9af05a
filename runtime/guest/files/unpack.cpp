// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/files/unpack.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

#include "common/io.hpp"
#include "runtime/guest/files/new_file.hpp"
#include "runtime/guest/files/pack.hpp"

namespace tl::guest {
namespace {

constexpr std::size_t kBuffer = 256 * 1024;
constexpr std::int64_t kTarBlock = 512;
constexpr mode_t kPermissions = 0777;
constexpr mode_t kWhileFilling = 0700;  // of folders whose own mode may not let us in

Error malformed(std::string_view what) {
  return Error{ErrorCode::kFailure, "the archive of the copy is malformed: " + std::string(what), ""};
}

// What libarchive reads from.
struct Feed {
  int fd;
  std::vector<std::byte> buffer = std::vector<std::byte>(kBuffer);
  bool in_header = false;
  std::size_t header_bytes = 0;  // read since the header began

  static la_ssize_t read(archive* reader, void* self, const void** bytes) {
    auto& feed = *static_cast<Feed*>(self);
    if (feed.in_header && feed.header_bytes > kMaxHeader) {
      archive_set_error(reader, EFBIG, "a header is too long");
      return -1;
    }
    ssize_t n = 0;
    do n = ::read(feed.fd, feed.buffer.data(), feed.buffer.size());
    while (n < 0 && errno == EINTR);
    if (n < 0) archive_set_error(reader, errno, "read");
    if (n > 0) feed.header_bytes += static_cast<std::size_t>(n);
    *bytes = feed.buffer.data();
    return n;
  }
};

// A path of the archive apart. Below the root: "" for the root itself.
struct Place {
  std::string folder;
  std::string name;
  [[nodiscard]] bool is_root() const { return name.empty(); }
  [[nodiscard]] std::string path() const { return folder.empty() ? name : folder + "/" + name; }
};

Result<Place> place_of(const char* text) {
  if (text == nullptr) return malformed("a name cannot be read");
  std::string_view path = text;
  if (path.ends_with('/')) path.remove_suffix(1);
  const std::string_view root = kArchiveRoot;
  if (path == root) return Place{};
  if (!path.starts_with(root) || path[root.size()] != '/') return malformed("a path outside of the copy");
  path.remove_prefix(root.size() + 1);
  std::size_t begin = 0;
  for (;;) {
    const std::size_t end = path.find('/', begin);
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return malformed("a path outside of the copy");
    if (end == std::string_view::npos) break;
    begin = end + 1;
  }
  const bool deep = begin > 0;
  return Place{std::string(deep ? path.substr(0, begin - 1) : ""), std::string(path.substr(begin))};
}

class Unpacker {
 public:
  Unpacker(int fd, const Destination& destination)
      : destination_(destination), feed_{fd}, reader_(archive_read_new(), &archive_read_free) {}

  Result<Unpacked> run() {
    archive* reader = reader_.get();
    archive_read_support_format_tar(reader);
    if (archive_read_open(reader, &feed_, nullptr, Feed::read, nullptr) != ARCHIVE_OK) return trouble();
    for (;;) {
      const std::int64_t before = archive_filter_bytes(reader, 0);
      feed_.in_header = true;
      feed_.header_bytes = 0;
      archive_entry* entry = nullptr;
      const int status = archive_read_next_header(reader, &entry);
      feed_.in_header = false;
      if (status == ARCHIVE_EOF) {
        // libarchive takes the end of the stream for the end of the archive; only the mark proves it.
        if (!landing_ || archive_filter_bytes(reader, 0) - before < kTarBlock) return broken_off();
        break;
      }
      if (status != ARCHIVE_OK) return trouble();
      if (auto added = add(entry); !added) return added.error();
    }
    if (auto left = leave_folders(""); !left) return left.error();
    return unpacked_;
  }

 private:
  // A folder that gets its mode and time when nothing more comes into it.
  struct Filling {
    std::string path;
    mode_t mode;
    timespec modified;
  };

  static Error broken_off() { return Error{ErrorCode::kFailure, "the copy broke off before its end", ""}; }
  [[nodiscard]] Error trouble() const {
    const char* why = archive_error_string(reader_.get());
    // Its words for a stream that ends within an entry.
    if (why != nullptr && std::string_view(why).starts_with("Truncated")) return broken_off();
    return malformed(why != nullptr ? why : "no reason given");
  }

  [[nodiscard]] std::string shown(const Place& place) const {
    return place.is_root() ? landing_->shown : landing_->shown + "/" + place.path();
  }

  Result<void> add(archive_entry* entry) {
    const auto place = place_of(archive_entry_pathname(entry));
    if (!place) return place.error();
    const auto type = archive_entry_filetype(entry);
    const char* linked = archive_entry_hardlink(entry);
    if (!landing_) {
      if (!place->is_root() || linked != nullptr) return malformed("it does not begin with the copy");
      auto landing = find_landing(destination_, type == AE_IFDIR ? CopyKind::kFolder : CopyKind::kFile);
      if (!landing) return landing.error();
      landing_ = *std::move(landing);
    } else if (place->is_root()) {
      return malformed("it begins twice");
    }
    if (auto left = leave_folders(place->path()); !left) return left;
    const auto folder = folder_of(*place);
    if (!folder) return folder.error();
    if (linked != nullptr) return add_hard_link(*place, *folder, linked);
    if (type == AE_IFDIR) return add_folder(*place, *folder, entry);
    if (type == AE_IFREG) return add_file(*place, *folder, entry);
    if (type == AE_IFLNK && !place->is_root()) return add_link(*place, *folder, entry);
    return malformed("something that is neither file, folder nor link");
  }

  [[nodiscard]] const std::string& name_of(const Place& place) const {
    return place.is_root() ? landing_->name : place.name;
  }

  // Never outside of the copy, whatever is there.
  Result<UniqueFd> open_inside(const std::string& path, std::uint64_t flags) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root_.get(), path.c_str(), &how, sizeof how)));
    if (fd) return fd;
    if (errno == ELOOP || errno == ENOTDIR) {
      return Error{ErrorCode::kConflict, landing_->shown + "/" + path + " is not a folder", ""};
    }
    return errno_error("open " + landing_->shown + "/" + path);
  }

  // The folder that the entry is in; open until the next call.
  Result<int> folder_of(const Place& place) {
    if (place.is_root()) return landing_->folder.get();
    if (!root_) return malformed("a file is taken for a folder");
    if (place.folder.empty()) return root_.get();
    if (!last_folder_ || last_folder_path_ != place.folder) {
      auto folder = open_inside(place.folder, O_RDONLY | O_DIRECTORY);
      if (!folder) return folder.error();
      last_folder_ = *std::move(folder);
      last_folder_path_ = place.folder;
    }
    return last_folder_.get();
  }

  static timespec modified(archive_entry* entry) {
    return {static_cast<time_t>(archive_entry_mtime(entry)), archive_entry_mtime_nsec(entry)};
  }

  Result<void> add_folder(const Place& place, int folder, archive_entry* entry) {
    const std::string& name = name_of(place);
    const bool is_new = !name.empty() && ::mkdirat(folder, name.c_str(), kWhileFilling) == 0;
    if (!is_new && !name.empty() && errno != EEXIST) return errno_error("make the folder " + shown(place));
    UniqueFd made(
        ::openat(folder, name.empty() ? "." : name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!made && (errno == ENOTDIR || errno == ELOOP)) {
      return Error{ErrorCode::kConflict, shown(place) + " is not a folder", ""};
    }
    if (!made) return errno_error("open " + shown(place));
    if (is_new) filling_.push_back({place.path(), archive_entry_perm(entry) & kPermissions, modified(entry)});
    if (place.is_root()) root_ = std::move(made);
    return {};
  }

  // Those that `path` is not in are full.
  Result<void> leave_folders(const std::string& path) {
    while (!filling_.empty()) {
      const Filling& folder = filling_.back();
      const bool inside = !path.empty() && (folder.path.empty() || path.starts_with(folder.path + "/"));
      if (inside) return {};
      const auto fd = folder.path.empty() ? open_inside(".", O_RDONLY | O_DIRECTORY)
                                          : open_inside(folder.path, O_RDONLY | O_DIRECTORY);
      if (!fd) return fd.error();
      const timespec times[2] = {{0, UTIME_OMIT}, folder.modified};
      if (::futimens(fd->get(), times) != 0 || ::fchmod(fd->get(), folder.mode) != 0) {
        return errno_error("set mode and time of " + landing_->shown + "/" + folder.path);
      }
      filling_.pop_back();
    }
    return {};
  }

  Result<void> add_file(const Place& place, int folder, archive_entry* entry) {
    auto file = NewFile::create(folder, name_of(place), shown(place));
    if (!file) return file.error();
    const std::int64_t size = archive_entry_size(entry);
    for (;;) {
      const void* bytes = nullptr;
      std::size_t length = 0;
      la_int64_t at = 0;
      const int status = archive_read_data_block(reader_.get(), &bytes, &length, &at);
      if (status == ARCHIVE_EOF) break;
      if (status != ARCHIVE_OK) return trouble();
      if (at < 0 || at > size || length > static_cast<std::uint64_t>(size - at)) {
        return malformed("a file is longer than announced");
      }
      const auto written = pwrite_all(file->fd(), std::span(static_cast<const std::byte*>(bytes), length),
                                      static_cast<std::uint64_t>(at));
      if (!written) return written.error().within(shown(place));
    }
    if (::ftruncate(file->fd(), size) != 0) return errno_error("set the size of " + shown(place));
    const timespec time = modified(entry);
    if (auto there = file->publish(archive_entry_perm(entry) & kPermissions, &time); !there) return there;
    unpacked_.bytes += static_cast<std::uint64_t>(size);
    return {};
  }

  Result<void> add_link(const Place& place, int folder, archive_entry* entry) {
    const char* target = archive_entry_symlink(entry);
    if (target == nullptr || *target == '\0') return malformed("a symbolic link that leads nowhere");
    const auto make = [&](const char* name) { return ::symlinkat(target, folder, name); };
    if (auto made = make_or_replace(place, folder, make); !made) return made;
    const timespec times[2] = {{0, UTIME_OMIT}, modified(entry)};
    // Not every file system keeps it.
    ::utimensat(folder, place.name.c_str(), times, AT_SYMLINK_NOFOLLOW);
    return {};
  }

  Result<void> add_hard_link(const Place& place, int folder, const char* linked) {
    const auto first = place_of(linked);
    if (!first) return first.error();
    if (first->is_root() || place.is_root()) return malformed("a hard link to the copy itself");
    // A descriptor and not a path: so it is what has been looked at.
    const auto file = open_inside(first->path(), O_PATH | O_NOFOLLOW);
    if (!file) return file.error();
    struct stat status {};
    if (::fstat(file->get(), &status) != 0 || !S_ISREG(status.st_mode)) {
      return malformed("a hard link to something that is not a file");
    }
    const std::string path = "/proc/self/fd/" + std::to_string(file->get());
    const auto make = [&](const char* name) {
      return ::linkat(AT_FDCWD, path.c_str(), folder, name, AT_SYMLINK_FOLLOW);
    };
    return make_or_replace(place, folder, make);
  }

  template <typename Make>
  Result<void> make_or_replace(const Place& place, int folder, const Make& make) {
    if (make(place.name.c_str()) == 0) return {};
    if (errno != EEXIST) return errno_error("create " + shown(place));
    if (auto free = check_replaceable(folder, place.name, shown(place)); !free) return free;
    const std::string temporary = temporary_name();
    if (make(temporary.c_str()) != 0) return errno_error("create " + shown(place));
    const int renamed = ::renameat(folder, temporary.c_str(), folder, place.name.c_str());
    const int error = errno;
    // It stays when both are links to one file.
    ::unlinkat(folder, temporary.c_str(), 0);
    return renamed == 0 ? Result<void>() : errno_error(error, "replace " + shown(place));
  }

  const Destination& destination_;
  Feed feed_;
  std::unique_ptr<archive, int (*)(archive*)> reader_;
  std::optional<Landing> landing_;  // once the first entry is known
  UniqueFd root_;                   // when the copy is a folder
  std::vector<Filling> filling_;    // each inside the one before
  std::string last_folder_path_;
  UniqueFd last_folder_;
  Unpacked unpacked_;
};

}  // namespace

Result<Unpacked> unpack(int fd, const Destination& destination) {
  return Unpacker(fd, destination).run();
}

}  // namespace tl::guest
