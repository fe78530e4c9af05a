// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/tar_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <archive_entry.h>
#include <fmt/format.h>

#include "common/printable.hpp"
#include "runtime/storage/archive_feed.hpp"

namespace tl::storage::oci {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxShown = 200;

Error refused(std::string message) {
  return Error{ErrorCode::kOutOfRange, std::move(message), ""};
}

// `path` seen from `folder`, without "." and ".."; nothing when it leads out of the archive.
std::optional<std::string> resolved(std::string_view folder, std::string_view path) {
  std::vector<std::string_view> parts;
  for (const std::string_view text : {path.starts_with('/') ? std::string_view() : folder, path}) {
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('/', begin), text.size());
      const std::string_view part = text.substr(begin, end - begin);
      begin = end + 1;
      if (part.empty() || part == ".") continue;
      if (part != "..") {
        parts.push_back(part);
      } else if (parts.empty()) {
        return std::nullopt;
      } else {
        parts.pop_back();
      }
    }
  }
  std::string result;
  for (const auto part : parts) result.append(result.empty() ? "" : "/").append(part);
  return result;
}

std::string_view folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

// A libarchive reader at some place of the file: what is skipped is not read.
class Reader {
 public:
  Reader(int fd, std::int64_t offset) : fd_(fd), offset_(offset), buffer_(kReadBytes) {}
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Result<void> open();
  // nullptr at the end.
  Result<archive_entry*> next() {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(reader_.get(), &entry);
    if (status == ARCHIVE_EOF) return static_cast<archive_entry*>(nullptr);
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return failed();
    return entry;
  }
  [[nodiscard]] std::int64_t header_offset() const { return archive_read_header_position(reader_.get()); }

  Result<std::size_t> read(std::span<std::byte> into) {
    const la_ssize_t count = archive_read_data(reader_.get(), into.data(), into.size());
    if (count < 0) return failed();
    return static_cast<std::size_t>(count);
  }

  la_ssize_t fill(archive* reader, const void** data) {
    ssize_t count = -1;
    do count = ::pread(fd_, buffer_.data(), buffer_.size(), static_cast<off_t>(offset_));
    while (count < 0 && errno == EINTR);
    if (count < 0) archive_set_error(reader, errno, "read failed");
    if (count > 0) offset_ += count;
    *data = buffer_.data();
    return count;
  }
  // The file may be shorter than it says: then the next read is its end.
  la_int64_t skip(la_int64_t bytes) {
    offset_ += bytes;
    return bytes;
  }

 private:
  [[nodiscard]] Error failed() const {
    const char* why = archive_error_string(reader_.get());
    return refused(fmt::format("tar archive: {}", why == nullptr ? "unreadable" : why));
  }

  int fd_;
  std::int64_t offset_;
  std::vector<std::byte> buffer_;
  ArchiveReader reader_ = new_archive_reader();
};

extern "C" {
static la_ssize_t fill_reader(archive* reader, void* self, const void** data) {
  return static_cast<Reader*>(self)->fill(reader, data);
}
static la_int64_t skip_in_reader(archive*, void* self, la_int64_t bytes) {
  return static_cast<Reader*>(self)->skip(bytes);
}
}

Result<void> Reader::open() {
  archive* reader = reader_.get();
  archive_read_support_format_tar(reader);
  if (archive_read_open2(reader, this, nullptr, fill_reader, skip_in_reader, nullptr) == ARCHIVE_OK)
    return {};
  return failed();
}

}  // namespace

Result<std::unique_ptr<TarFiles>> TarFiles::open(UniqueFd file) {
  std::unique_ptr<TarFiles> files(new TarFiles(std::move(file)));
  if (auto made = files->make_index(); !made) return made.error();
  return files;
}

Result<void> TarFiles::make_index() {
  struct stat status = {};
  if (::fstat(file_.get(), &status) != 0) return errno_error("stat the archive");
  Reader reader(file_.get(), 0);
  if (auto opened = reader.open(); !opened) return opened;
  for (std::size_t count = 0;; ++count) {
    const auto next = reader.next();
    if (!next) return next.error();
    archive_entry* const entry = *next;
    if (entry == nullptr) return {};
    if (count == kMaxMembers) return refused(fmt::format("tar archive: more than {} members", kMaxMembers));
    const char* name = archive_entry_pathname(entry);
    const auto path = resolved("", name == nullptr ? "" : name);
    if (!path || path->empty()) continue;  // the root, or nothing that could be asked for
    Member member{reader.header_offset(), 0, {}, false};
    if (const char* other = archive_entry_hardlink(entry)) {
      member.target = resolved("", other).value_or("");
    } else if (const char* target = archive_entry_symlink(entry)) {
      member.target = resolved(folder_of(*path), target).value_or("");
    } else if (archive_entry_filetype(entry) == AE_IFREG) {
      member.is_file = true;
      member.size_bytes = static_cast<std::uint64_t>(std::max<la_int64_t>(archive_entry_size(entry), 0));
      if (member.size_bytes > static_cast<std::uint64_t>(status.st_size))
        return refused(fmt::format("{} is cut off", make_printable(*path, kMaxShown)));
    }
    members_.insert_or_assign(*path, std::move(member));
  }
}

Result<ImageFiles::File> TarFiles::open(const std::string& path) {
  const std::string shown = make_printable(path, kMaxShown);
  auto at = resolved("", path);
  for (int links = 0; at && !at->empty(); ++links) {
    const auto found = members_.find(*at);
    if (found == members_.end()) return Error{ErrorCode::kNotFound, fmt::format("{} is missing", shown), ""};
    const Member& member = found->second;
    if (member.is_file) {
      auto reader = std::make_shared<Reader>(file_.get(), member.header_offset);
      if (auto opened = reader->open(); !opened) return opened.error();
      const auto entry = reader->next();
      if (!entry) return entry.error();
      if (*entry == nullptr) return refused(fmt::format("{} is cut off", shown));
      return File{[reader](std::span<std::byte> into) { return reader->read(into); }, member.size_bytes};
    }
    if (member.target.empty() || links == kMaxLinks) break;
    at = member.target;
  }
  return refused(fmt::format("{} is no file of the archive", shown));
}

}  // namespace tl::storage::oci
