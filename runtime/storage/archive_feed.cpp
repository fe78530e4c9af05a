// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/archive_feed.hpp"

#include <cerrno>
#include <utility>

#include <fmt/format.h>

namespace tl::storage {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;

extern "C" {
static la_ssize_t read_from_feed(archive* reader, void* feed, const void** data) {
  return static_cast<ArchiveFeed*>(feed)->next(reader, data);
}
}

}  // namespace

ArchiveReader new_archive_reader() {
  return {archive_read_new(), &archive_read_free};
}

ArchiveFeed::ArchiveFeed(ByteSource source) : source_(std::move(source)), buffer_(kReadBytes) {}

Result<void> ArchiveFeed::open(archive* reader, std::string_view what) {
  archive_read_support_filter_gzip(reader);
  archive_read_support_filter_xz(reader);
  archive_read_support_filter_zstd(reader);
  if (archive_read_open(reader, this, nullptr, read_from_feed, nullptr) == ARCHIVE_OK) return {};
  return failed(reader, what);
}

la_ssize_t ArchiveFeed::next(archive* reader, const void** data) {
  auto count = source_(buffer_);
  if (!count) {
    error_ = count.error();
    archive_set_error(reader, EIO, "%s", error_->message.c_str());
    return -1;
  }
  *data = buffer_.data();
  return static_cast<la_ssize_t>(*count);
}

Result<void> ArchiveFeed::drain() {
  for (;;) {
    const auto count = source_(buffer_);
    if (!count) return count.error();
    if (*count == 0) return {};
  }
}

Error ArchiveFeed::failed(archive* reader, std::string_view what) const {
  if (error_) return *error_;
  const char* why = archive_error_string(reader);
  return Error{ErrorCode::kOutOfRange, fmt::format("{}: {}", what, why == nullptr ? "unreadable" : why), ""};
}

}  // namespace tl::storage
