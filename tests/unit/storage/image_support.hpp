// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

#include "runtime/storage/tar_source.hpp"
#include "tests/unit/storage/layered_disk_support.hpp"  // TempFolder

namespace tl::storage::test {

// Writes a tar by libarchive, entry by entry, into memory.
class TarMaker {
 public:
  enum class Filter { kNone, kGzip, kXz, kZstd };
  explicit TarMaker(Filter filter = Filter::kNone, int format = ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE);
  ~TarMaker();
  TarMaker(const TarMaker&) = delete;
  TarMaker& operator=(const TarMaker&) = delete;

  // A new entry with type, mode 0644 (folders 0755) and owner 0:0; write() finishes it.
  archive_entry* entry(const std::string& path, unsigned type);
  void write(const std::string& data = "");

  void file(const std::string& path, const std::string& data);
  void folder(const std::string& path);
  void symlink(const std::string& path, const std::string& target);
  void hard_link(const std::string& path, const std::string& existing);

  // The archive; nothing may be added any more.
  std::string finish();

 private:
  archive* archive_;
  archive_entry* entry_ = nullptr;
  std::string bytes_;
};

// Hands out `bytes` in pieces of `step`; the text must outlive it.
ByteSource source_of(const std::string& bytes, std::size_t step = 1000);

bool has_program(const std::string& name);

struct Output {
  int code;
  std::string text;  // stdout and stderr
};
Output run(const std::vector<std::string>& argv);

}  // namespace tl::storage::test
