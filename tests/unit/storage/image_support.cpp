// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/storage/image_support.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "common/child_process.hpp"
#include "common/io.hpp"
#include "tests/support/catch.hpp"

namespace tl::storage::test {

namespace {

extern "C" {
static la_ssize_t append(archive*, void* bytes, const void* data, size_t size) {
  static_cast<std::string*>(bytes)->append(static_cast<const char*>(data), size);
  return static_cast<la_ssize_t>(size);
}
}

}  // namespace

TarMaker::TarMaker(Filter filter, int format) : archive_(archive_write_new()) {
  // By name and not by number: that would link every format there is.
  const bool gnu = format == ARCHIVE_FORMAT_TAR_GNUTAR;
  REQUIRE((gnu ? archive_write_set_format_gnutar(archive_) : archive_write_set_format_pax(archive_)) ==
          ARCHIVE_OK);
  if (filter == Filter::kGzip) archive_write_add_filter_gzip(archive_);
  if (filter == Filter::kXz) archive_write_add_filter_xz(archive_);
  if (filter == Filter::kZstd) archive_write_add_filter_zstd(archive_);
  archive_write_set_bytes_in_last_block(archive_, 1);  // nothing after the end of what a filter writes
  REQUIRE(archive_write_open(archive_, &bytes_, nullptr, append, nullptr) == ARCHIVE_OK);
}

TarMaker::~TarMaker() {
  archive_entry_free(entry_);
  archive_write_free(archive_);
}

archive_entry* TarMaker::entry(const std::string& path, unsigned type) {
  archive_entry_free(entry_);
  entry_ = archive_entry_new();
  archive_entry_copy_pathname(entry_, path.c_str());
  archive_entry_set_filetype(entry_, type);
  archive_entry_set_perm(entry_, type == AE_IFDIR ? 0755 : 0644);
  archive_entry_set_mtime(entry_, 1'700'000'000, 0);
  return entry_;
}

void TarMaker::write(const std::string& data) {
  if (archive_entry_filetype(entry_) == AE_IFREG && archive_entry_size_is_set(entry_) == 0) {
    archive_entry_set_size(entry_, static_cast<la_int64_t>(data.size()));
  }
  REQUIRE(archive_write_header(archive_, entry_) >= ARCHIVE_WARN);
  if (!data.empty()) REQUIRE(archive_write_data(archive_, data.data(), data.size()) >= 0);
}

void TarMaker::file(const std::string& path, const std::string& data) {
  entry(path, AE_IFREG);
  write(data);
}

void TarMaker::folder(const std::string& path) {
  entry(path, AE_IFDIR);
  write();
}

void TarMaker::symlink(const std::string& path, const std::string& target) {
  archive_entry_copy_symlink(entry(path, AE_IFLNK), target.c_str());
  write();
}

void TarMaker::hard_link(const std::string& path, const std::string& existing) {
  archive_entry* made = entry(path, AE_IFREG);
  archive_entry_set_size(made, 0);
  archive_entry_copy_hardlink(made, existing.c_str());
  write();
}

std::string TarMaker::finish() {
  REQUIRE(archive_write_close(archive_) == ARCHIVE_OK);
  return bytes_;
}

ByteSource source_of(const std::string& bytes, std::size_t step) {
  return [&bytes, step, at = std::size_t{0}](std::span<std::byte> into) mutable -> Result<std::size_t> {
    const std::size_t count = std::min({step, into.size(), bytes.size() - at});
    std::memcpy(into.data(), bytes.data() + at, count);
    at += count;
    return count;
  };
}

bool has_program(const std::string& name) {
  return find_program(name).has_value();
}

Output run(const std::vector<std::string>& argv) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  auto child = ChildProcess::spawn(
      {.argv = argv, .fds = {{STDOUT_FILENO, write_end.get()}, {STDERR_FILENO, write_end.get()}}});
  REQUIRE(child);
  write_end.reset();
  const auto text = read_to_end(read_end.get(), std::size_t{64} << 20);
  REQUIRE(text);
  return Output{child->wait()->code, *text};
}

}  // namespace tl::storage::test
