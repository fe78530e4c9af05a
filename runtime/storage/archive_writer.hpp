// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include <archive.h>
#include <archive_entry.h>

#include "common/result.hpp"

namespace tl::storage {

// Takes bytes in order; an error ends whatever makes them.
using ByteSink = std::function<Result<void>(std::span<const std::byte>)>;

// A libarchive writer in front of a sink, whose errors come back as they are. The same calls make the same
// bytes: nothing of the time or the host goes in. One thread.
class ArchiveWriter {
 public:
  enum class Form {
    kPaxTar,  // names are bytes, in whatever locale
    kGzip,    // of data() alone
  };

  static Result<std::unique_ptr<ArchiveWriter>> open(Form form, ByteSink sink);
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;
  ~ArchiveWriter();  // what was not closed is cut off

  Result<void> header(archive_entry* entry);
  // Of a sparse entry, its holes included.
  Result<void> data(std::span<const std::byte> bytes);
  Result<void> close();

 private:
  explicit ArchiveWriter(ByteSink sink);
  static la_ssize_t take(archive*, void* self, const void* bytes, std::size_t length);
  Result<void> start(Form form);
  Result<void> check(la_ssize_t status);

  ByteSink sink_;
  std::optional<Error> error_;
  bool discard_ = false;
  archive* writer_;
};

// An entry of the archive's own making: owned by root, without a time.
struct FreeArchiveEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
using ArchiveEntry = std::unique_ptr<archive_entry, FreeArchiveEntry>;

}  // namespace tl::storage
