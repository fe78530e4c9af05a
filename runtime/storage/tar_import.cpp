// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/tar_import.hpp"

#include <cerrno>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include "runtime/storage/tar_acl.hpp"

namespace tl::storage {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;
constexpr std::int64_t kTarBlock = 512;

// What libarchive calls back into. Errors cannot pass through it, so they wait here.
struct Feed {
  const ByteSource& source;
  std::vector<std::byte> buffer;
  std::optional<Error> error;

  la_ssize_t next(archive* reader, const void** data) {
    auto count = source(buffer);
    if (!count) {
      error = count.error();
      archive_set_error(reader, EIO, "%s", error->message.c_str());
      return -1;
    }
    *data = buffer.data();
    return static_cast<la_ssize_t>(*count);
  }
};

extern "C" {
static la_ssize_t read_from_feed(archive* reader, void* feed, const void** data) {
  return static_cast<Feed*>(feed)->next(reader, data);
}
}

bool is_linux_xattr(std::string_view name) {
  for (const std::string_view prefix : {"user.", "trusted.", "security."}) {
    if (name.size() > prefix.size() && name.substr(0, prefix.size()) == prefix) return true;
  }
  return false;
}

std::vector<Ext4Attributes::Xattr> xattrs_of(archive_entry* entry) {
  auto xattrs = posix_acls(entry);
  archive_entry_xattr_reset(entry);
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    if (name == nullptr || !is_linux_xattr(name)) continue;
    xattrs.push_back({name, std::string(static_cast<const char*>(value), size)});
  }
  return xattrs;
}

class TarImport {
 public:
  TarImport(Ext4Builder& builder, const ByteSource& source)
      : builder_(builder),
        feed_{source, std::vector<std::byte>(kReadBytes), std::nullopt},
        reader_(archive_read_new(), &archive_read_free) {}

  Result<TarSummary> run() {
    if (auto opened = open(); !opened) return opened.error();
    for (;;) {
      const std::int64_t before = archive_filter_bytes(reader_.get(), 0);
      archive_entry* entry = nullptr;
      const int status = archive_read_next_header(reader_.get(), &entry);
      if (status == ARCHIVE_EOF) {
        // libarchive takes the end of the file for the end of the archive; only the mark proves it.
        if (archive_filter_bytes(reader_.get(), 0) - before < kTarBlock)
          return malformed("cut off: no end mark");
        break;
      }
      // A warning is about a name that is not in our character set; its bytes are passed on as they are.
      if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return failed();
      if (auto added = add(entry); !added) return added.error();
      ++summary_.entries;
    }
    if (auto drained = drain(); !drained) return drained.error();
    return summary_;
  }

 private:
  Result<void> open() {
    archive* reader = reader_.get();
    // One by one: "all" would link every format libarchive knows into tl.
    archive_read_support_format_tar(reader);
    archive_read_support_filter_gzip(reader);
    archive_read_support_filter_xz(reader);
    archive_read_support_filter_zstd(reader);
    if (archive_read_open(reader, &feed_, nullptr, read_from_feed, nullptr) != ARCHIVE_OK) return failed();
    return {};
  }

  Result<void> drain() {
    for (;;) {
      const auto count = feed_.source(feed_.buffer);
      if (!count) return count.error();
      if (*count == 0) return {};
    }
  }

  static Error malformed(std::string_view why) {
    return Error{ErrorCode::kOutOfRange, fmt::format("tar archive: {}", why), ""};
  }
  [[nodiscard]] Error failed() const {
    if (feed_.error) return *feed_.error;
    const char* why = archive_error_string(reader_.get());
    return malformed(why == nullptr ? "unreadable" : why);
  }

  Result<Ext4Attributes> attributes_of(archive_entry* entry) {
    constexpr std::int64_t kMaxId = std::numeric_limits<std::uint32_t>::max() - 1;  // all ones means "none"
    const std::int64_t uid = archive_entry_uid(entry);
    const std::int64_t gid = archive_entry_gid(entry);
    if (uid < 0 || uid > kMaxId || gid < 0 || gid > kMaxId)
      return malformed("an owner's number is out of range");
    return Ext4Attributes{.mode = permissions_of(entry),
                          .uid = static_cast<std::uint32_t>(uid),
                          .gid = static_cast<std::uint32_t>(gid),
                          .mtime_seconds = archive_entry_mtime(entry),
                          .mtime_nanoseconds = static_cast<std::uint32_t>(archive_entry_mtime_nsec(entry)),
                          .xattrs = xattrs_of(entry)};
  }

  Result<void> add(archive_entry* entry) {
    const char* path = archive_entry_pathname(entry);
    if (path == nullptr || *path == '\0') return malformed("an entry without a name");
    if (const char* existing = archive_entry_hardlink(entry)) return builder_.add_hard_link(path, existing);
    auto attributes = attributes_of(entry);
    if (!attributes) return attributes.error().within(path);
    switch (archive_entry_filetype(entry)) {
      case AE_IFREG:
        return add_file(path, entry, *std::move(attributes));
      case AE_IFDIR:
        return builder_.add_directory(path, *std::move(attributes));
      case AE_IFLNK: {
        const char* target = archive_entry_symlink(entry);
        return builder_.add_symlink(path, target == nullptr ? "" : target, *std::move(attributes));
      }
      case AE_IFCHR:
        return add_device(path, entry, Ext4Special::Kind::kCharDevice, *std::move(attributes));
      case AE_IFBLK:
        return add_device(path, entry, Ext4Special::Kind::kBlockDevice, *std::move(attributes));
      case AE_IFIFO:
        return builder_.add_special(path, {Ext4Special::Kind::kFifo}, *std::move(attributes));
      case AE_IFSOCK:
        return builder_.add_special(path, {Ext4Special::Kind::kSocket}, *std::move(attributes));
      default:
        return malformed(fmt::format("{}: unknown type", path));
    }
  }

  Result<void> add_device(const char* path, archive_entry* entry, Ext4Special::Kind kind,
                          Ext4Attributes attributes) {
    return builder_.add_special(path,
                                {kind, static_cast<std::uint32_t>(archive_entry_rdevmajor(entry)),
                                 static_cast<std::uint32_t>(archive_entry_rdevminor(entry))},
                                std::move(attributes));
  }

  Result<void> add_file(const char* path, archive_entry* entry, Ext4Attributes attributes) {
    const std::int64_t size = archive_entry_size(entry);
    if (size < 0) return malformed(fmt::format("{}: negative size", path));
    for (;;) {
      const void* data = nullptr;
      std::size_t count = 0;
      la_int64_t offset = 0;
      const int status = archive_read_data_block(reader_.get(), &data, &count, &offset);
      if (status == ARCHIVE_EOF) break;
      if (status != ARCHIVE_OK) return failed().within(path);
      if (offset < 0) return malformed(fmt::format("{}: negative offset", path));
      // Blocks of zeroes take no space on the disk, so they are counted here: an archive must not keep us
      // busy for ever.
      summary_.data_bytes += count;
      if (summary_.data_bytes > builder_.size_bytes()) {
        return Error{ErrorCode::kOutOfRange, "the contents do not fit on the disk",
                     "ask for a larger disk with --disk_mb"};
      }
      const std::span bytes(static_cast<const std::byte*>(data), count);
      if (auto written = builder_.write(static_cast<std::uint64_t>(offset), bytes); !written) {
        return written.error().within(path);
      }
    }
    return builder_.add_file(path, static_cast<std::uint64_t>(size), std::move(attributes));
  }

  Ext4Builder& builder_;
  Feed feed_;
  std::unique_ptr<archive, decltype(&archive_read_free)> reader_;
  TarSummary summary_;
};

}  // namespace

Result<TarSummary> add_tar(Ext4Builder& builder, const ByteSource& source) {
  return TarImport(builder, source).run();
}

}  // namespace tl::storage
