// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "common/file_lock.hpp"
#include "common/result.hpp"
#include "runtime/storage/import_watch.hpp"

namespace tl::storage::oci {

// Layers that came from registries, kept so that the next image with the same ones does not fetch them again:
//
//   <folder>/lock               held by whoever fetches, one at a time
//   <folder>/blobs/sha256/<hex> as skopeo keeps them; read as hostile, like all that it brings
//   <folder>/fetching/          an image layout in the making; gone when nobody fetches
//
// An object holds the lock. Only what is newest is kept, kMaxBytes of it.
class BlobCache {
 public:
  static constexpr std::uint64_t kMaxBytes = std::uint64_t{4} << 30;

  // Makes the folders when missing, waits for others, and removes what somebody who was killed has left.
  static Result<BlobCache> open(const std::filesystem::path& folder, const ImportWatch& watch);
  // Removes everything, unless somebody is fetching right now; how many files.
  static Result<std::size_t> clear(const std::filesystem::path& folder);

  BlobCache(BlobCache&&) noexcept = default;
  BlobCache& operator=(BlobCache&&) = delete;
  ~BlobCache();

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] std::filesystem::path blobs() const { return folder_ / kBlobs; }
  [[nodiscard]] std::filesystem::path layout() const { return folder_ / kLayout; }
  static constexpr const char* kBlobs = "blobs";
  static constexpr const char* kLayout = "fetching";

  // What all of it takes at the moment.
  [[nodiscard]] std::uint64_t size_bytes() const;
  // Marks one as used now.
  void touch(const std::string& digest) const;
  void remove(const std::string& digest) const;
  // The oldest go until kMaxBytes are left.
  void trim() const;

 private:
  BlobCache(std::filesystem::path folder, FileLock lock)
      : folder_(std::move(folder)), lock_(std::move(lock)) {}
  [[nodiscard]] std::filesystem::path blob(const std::string& digest) const;

  std::filesystem::path folder_;
  std::optional<FileLock> lock_;  // empty: moved from
};

}  // namespace tl::storage::oci
