// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

#include "common/io.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/files/unpack.hpp"
#include "tests/support/catch.hpp"

namespace tl::guest::test {

// A folder of the test's, removed with its contents.
struct Folder {
  Folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~Folder() {
    // What was made without permissions must go too.
    std::error_code ignored;
    std::filesystem::permissions(path, std::filesystem::perms::owner_all, ignored);
    std::filesystem::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string operator/(const std::string& name) const { return path + "/" + name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path + "/" + name, std::ios::binary) << text;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream stream(path + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  // Everything below, without the folder itself, in order.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& each : std::filesystem::recursive_directory_iterator(path)) {
      all.push_back(each.path().string().substr(path.size() + 1));
    }
    std::sort(all.begin(), all.end());
    return all;
  }

  std::string path = "/tmp/tl-copy-test-XXXXXX";
};

// A tar archive with anything in it.
class Tar {
 public:
  Tar() : archive_(archive_write_new()) {
    REQUIRE(archive_write_set_format_pax(archive_) == ARCHIVE_OK);
    archive_write_set_format_option(archive_, "pax", "hdrcharset", "BINARY");
    archive_write_set_bytes_in_last_block(archive_, 1);
    REQUIRE(archive_write_open(archive_, &bytes_, nullptr, append, nullptr) == ARCHIVE_OK);
  }
  ~Tar() { archive_write_free(archive_); }
  Tar(const Tar&) = delete;
  Tar& operator=(const Tar&) = delete;

  using Change = std::function<void(archive_entry*)>;
  Tar& add(const std::string& path, unsigned type, const std::string& data = "", const Change& change = {}) {
    archive_entry* entry = archive_entry_new();
    archive_entry_copy_pathname(entry, path.c_str());
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, type == AE_IFDIR ? 0755 : 0644);
    archive_entry_set_mtime(entry, 1'700'000'000, 0);
    archive_entry_set_size(entry, static_cast<la_int64_t>(data.size()));
    if (change) change(entry);
    REQUIRE(archive_write_header(archive_, entry) >= ARCHIVE_WARN);
    if (!data.empty()) REQUIRE(archive_write_data(archive_, data.data(), data.size()) >= 0);
    archive_entry_free(entry);
    return *this;
  }
  Tar& folder(const std::string& path) { return add(path, AE_IFDIR); }
  Tar& file(const std::string& path, const std::string& data) { return add(path, AE_IFREG, data); }
  Tar& link(const std::string& path, const std::string& target) {
    return add(path, AE_IFLNK, "",
               [&](archive_entry* entry) { archive_entry_copy_symlink(entry, target.c_str()); });
  }
  Tar& hard_link(const std::string& path, const std::string& first) {
    return add(path, AE_IFREG, "",
               [&](archive_entry* entry) { archive_entry_copy_hardlink(entry, first.c_str()); });
  }
  // The whole, once.
  std::string take() {
    archive_write_close(archive_);
    return std::move(bytes_);
  }

 private:
  static la_ssize_t append(archive*, void* bytes, const void* data, std::size_t size) {
    static_cast<std::string*>(bytes)->append(static_cast<const char*>(data), size);
    return static_cast<la_ssize_t>(size);
  }
  archive* archive_;
  std::string bytes_;
};

// Runs `giver` with one end of a pipe and `taker` with the other, at the same time.
template <typename Taker>
auto through_pipe(const std::function<void(int)>& giver, const Taker& taker) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  UniqueFd reading(ends[0]), writing(ends[1]);
  std::thread thread([&] {
    giver(writing.get());
    writing.reset();
  });
  auto result = taker(reading.get());
  reading.reset();
  thread.join();
  return result;
}

// What becomes of an archive at the destination.
inline Result<Unpacked> unpack_bytes(const std::string& bytes, const Destination& destination) {
  return through_pipe([&](int fd) { static_cast<void>(write_all(fd, bytes)); },
                      [&](int fd) { return unpack(fd, destination); });
}

}  // namespace tl::guest::test
