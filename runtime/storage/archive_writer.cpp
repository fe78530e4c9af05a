// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/archive_writer.hpp"

#include <algorithm>
#include <utility>

namespace tl::storage {
namespace {

constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;  // libarchive counts in int

}  // namespace

ArchiveWriter::ArchiveWriter(ByteSink sink) : sink_(std::move(sink)), writer_(archive_write_new()) {}

ArchiveWriter::~ArchiveWriter() {
  discard_ = true;  // freeing the writer ends the archive as if it were whole: none of that is to be seen
  archive_write_free(writer_);
}

Result<std::unique_ptr<ArchiveWriter>> ArchiveWriter::open(Form form, ByteSink sink) {
  std::unique_ptr<ArchiveWriter> writer(new ArchiveWriter(std::move(sink)));
  if (auto started = writer->start(form); !started) return started.error();
  return writer;
}

Result<void> ArchiveWriter::start(Form form) {
  if (form == Form::kPaxTar) {
    archive_write_set_format_pax(writer_);
    auto ready = check(archive_write_set_format_option(writer_, "pax", "hdrcharset", "BINARY"));
    if (!ready) return ready;
    return check(archive_write_open(writer_, this, nullptr, take, nullptr));
  }
  archive_write_set_format_raw(writer_);
  archive_write_add_filter_gzip(writer_);
  auto ready = check(archive_write_set_filter_option(writer_, "gzip", "timestamp", nullptr));
  if (!ready) return ready;
  archive_write_set_bytes_in_last_block(writer_, 1);  // nothing after the end
  ready = check(archive_write_open(writer_, this, nullptr, take, nullptr));
  if (!ready) return ready;
  const ArchiveEntry entry(archive_entry_new());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  return header(entry.get());
}

// Never fails for libarchive, which would not free what it has: check() tells.
la_ssize_t ArchiveWriter::take(archive*, void* self, const void* bytes, std::size_t length) {
  auto& writer = *static_cast<ArchiveWriter*>(self);
  if (!writer.discard_) {
    if (auto taken = writer.sink_({static_cast<const std::byte*>(bytes), length}); !taken) {
      writer.error_ = taken.error();
      writer.discard_ = true;
    }
  }
  return static_cast<la_ssize_t>(length);
}

Result<void> ArchiveWriter::check(la_ssize_t status) {
  if (error_) return *error_;
  if (status >= ARCHIVE_WARN) return {};
  const char* why = archive_error_string(writer_);
  return Error{ErrorCode::kFailure, why != nullptr ? why : "the archive cannot be written", ""};
}

Result<void> ArchiveWriter::header(archive_entry* entry) {
  return check(archive_write_header(writer_, entry));
}

Result<void> ArchiveWriter::data(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const la_ssize_t count = archive_write_data(writer_, bytes.data(), std::min(bytes.size(), kMostAtOnce));
    if (auto written = check(count); !written) return written;
    if (count <= 0) return {};  // libarchive takes no more than an entry's size, nor what ends in a hole
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> ArchiveWriter::close() {
  return check(archive_write_close(writer_));
}

}  // namespace tl::storage
