// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/tar_import.hpp"

#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include "runtime/storage/archive_feed.hpp"
#include "runtime/storage/tar_acl.hpp"

namespace tl::storage {
namespace {

constexpr std::int64_t kTarBlock = 512;
constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kBookkeeping = ".wh..wh.";  // of AUFS, which whiteouts come from: nobody's files
constexpr std::string_view kOpaque = ".wh..wh..opq";

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
  TarImport(Ext4Builder& builder, const ByteSource& source, Whiteouts whiteouts)
      : builder_(builder), whiteouts_(whiteouts), feed_(source) {}

  Result<TarSummary> run() {
    archive_read_support_format_tar(reader_.get());  // the others are linked into tl only when asked for
    if (auto opened = feed_.open(reader_.get(), "tar archive"); !opened) return opened.error();
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
    if (auto drained = feed_.drain(); !drained) return drained.error();
    return summary_;
  }

 private:
  static Error malformed(std::string_view why) {
    return Error{ErrorCode::kOutOfRange, fmt::format("tar archive: {}", why), ""};
  }
  [[nodiscard]] Error failed() const { return feed_.failed(reader_.get(), "tar archive"); }

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
    if (whiteouts_ == Whiteouts::kHide) {
      const auto hidden = hide(path);
      if (!hidden) return hidden.error();
      if (*hidden) return {};
    }
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

  // Whether the entry was a whiteout, which is no file then.
  Result<bool> hide(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    const std::string_view name = path.substr(slash == path.npos ? 0 : slash + 1);
    const std::string_view folder = path.substr(0, path.size() - name.size());
    if (!name.starts_with(kWhiteout)) return false;
    Result<void> done;
    if (name == kOpaque) {
      done = builder_.hide_contents(folder);
    } else if (!name.starts_with(kBookkeeping)) {
      const std::string_view hidden = name.substr(kWhiteout.size());
      if (hidden.empty() || hidden == "." || hidden == "..")
        return malformed(fmt::format("{}: a whiteout of nothing", path));
      done = builder_.hide(std::string(folder) + std::string(hidden));
    }
    if (!done) return done.error();
    return true;
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
  Whiteouts whiteouts_;
  ArchiveFeed feed_;
  ArchiveReader reader_ = new_archive_reader();
  TarSummary summary_;
};

}  // namespace

Result<TarSummary> add_tar(Ext4Builder& builder, const ByteSource& source, Whiteouts whiteouts) {
  return TarImport(builder, source, whiteouts).run();
}

}  // namespace tl::storage
