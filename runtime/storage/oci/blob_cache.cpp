// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/blob_cache.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

#include "common/io.hpp"
#include "runtime/storage/oci/digest.hpp"

namespace tl::storage::oci {
namespace {

namespace fs = std::filesystem;
constexpr const char* kLock = "lock";
constexpr std::chrono::milliseconds kBetweenLooks{100};

struct Blob {
  fs::path path;
  std::uint64_t bytes;
  fs::file_time_type used;
};

std::vector<Blob> files_in(const fs::path& folder) {
  std::vector<Blob> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;
    if (!at->is_regular_file(gone) || gone) continue;
    const auto bytes = at->file_size(gone);
    const auto used = at->last_write_time(gone);
    if (!gone) files.push_back({at->path(), bytes, used});
  }
  return files;
}

}  // namespace

Result<BlobCache> BlobCache::open(const fs::path& folder, const ImportWatch& watch) {
  std::error_code error;
  fs::create_directories(folder / kBlobs, error);
  if (error) return errno_error(error.value(), "make " + folder.string());
  const auto opened = open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY);
  if (!opened) return opened.error();
  for (;;) {
    auto lock = FileLock::try_acquire(opened->get(), kLock);
    if (!lock) return lock.error();
    if (*lock) {
      fs::remove_all(folder / kLayout, error);
      return BlobCache(folder, **std::move(lock));
    }
    watch.tell("waiting for another import");
    if (auto wanted = watch.check(); !wanted) return wanted.error();
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

Result<std::size_t> BlobCache::clear(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder, error)) return std::size_t{0};
  const auto opened = open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY);
  if (!opened) return opened.error();
  const auto lock = FileLock::try_acquire(opened->get(), kLock);
  if (!lock) return lock.error();
  if (!*lock) return std::size_t{0};
  const std::size_t count = files_in(folder / kBlobs).size() + files_in(folder / kLayout).size();
  for (const char* each : {kBlobs, kLayout}) {
    fs::remove_all(folder / each, error);
    if (error) return errno_error(error.value(), "remove " + (folder / each).string());
  }
  return count;
}

BlobCache::~BlobCache() {
  if (!lock_) return;
  std::error_code ignored;
  fs::remove_all(layout(), ignored);
}

fs::path BlobCache::blob(const std::string& digest) const {
  return blobs() / "sha256" / digits_of(digest);
}

std::uint64_t BlobCache::size_bytes() const {
  std::uint64_t total = 0;
  for (const auto& each : {blobs(), layout()}) {
    for (const auto& file : files_in(each)) total += file.bytes;
  }
  return total;
}

void BlobCache::touch(const std::string& digest) const {
  ::utimensat(AT_FDCWD, blob(digest).c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

void BlobCache::remove(const std::string& digest) const {
  std::error_code ignored;
  fs::remove(blob(digest), ignored);
}

void BlobCache::trim() const {
  auto files = files_in(blobs());
  std::sort(files.begin(), files.end(), [](const Blob& a, const Blob& b) { return a.used > b.used; });
  std::uint64_t total = 0;
  for (const auto& file : files) {
    total += file.bytes;
    std::error_code ignored;
    if (total > kMaxBytes) fs::remove(file.path, ignored);
  }
}

}  // namespace tl::storage::oci
