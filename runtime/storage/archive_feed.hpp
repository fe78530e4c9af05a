// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <archive.h>

#include "common/result.hpp"
#include "runtime/storage/tar_source.hpp"

namespace tl::storage {

using ArchiveReader = std::unique_ptr<archive, decltype(&archive_read_free)>;
ArchiveReader new_archive_reader();

// Reads a ByteSource for libarchive. An error cannot pass through that, so it waits here. Must stay where it
// is as long as the reader is used.
class ArchiveFeed {
 public:
  explicit ArchiveFeed(ByteSource source);
  ArchiveFeed(const ArchiveFeed&) = delete;
  ArchiveFeed& operator=(const ArchiveFeed&) = delete;

  // gzip, xz and zstd are undone, one by one: "all" would link every filter that libarchive knows into tl.
  // An error is about `what`.
  Result<void> open(archive* reader, std::string_view what);
  // Reads what libarchive has left of the source, to its end.
  Result<void> drain();
  // Why the reader's last call failed: the source's own error, else "<what>: " and libarchive's words,
  // kOutOfRange.
  [[nodiscard]] Error failed(archive* reader, std::string_view what) const;

  la_ssize_t next(archive* reader, const void** data);  // for libarchive

 private:
  ByteSource source_;
  std::vector<std::byte> buffer_;
  std::optional<Error> error_;
};

}  // namespace tl::storage
