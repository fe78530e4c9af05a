// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "common/result.hpp"
#include "runtime/storage/disk_base.hpp"
#include "runtime/storage/disk_file.hpp"
#include "runtime/storage/disk_layer.hpp"
#include "runtime/storage/disk_manifest.hpp"
#include "runtime/storage/long_work.hpp"

namespace tl::storage {

// What a frozen disk (LayeredDisk::export_frozen) holds, for reading only: nothing is written, locked or
// made, so any number of processes can have the same one. Somebody else sees to it that the folder stays. One
// thread at a time.
class FrozenDisk {
 public:
  // kConflict for a disk that is not frozen, or of another base; an error for a damaged one.
  static Result<std::unique_ptr<FrozenDisk>> open(const std::filesystem::path& dir, const DiskBase& base);

  [[nodiscard]] std::uint64_t size_bytes() const { return manifest_.device_bytes; }
  // Offset and length are multiples of kClusterBytes and on the disk.
  Result<void> read(std::uint64_t offset, std::span<std::byte> into);
  // The first `bytes`, a multiple of kClusterBytes, into `to`, which is as long and nothing but a hole.
  // Clusters of zeroes stay holes. Not synced; after an error `to` has any part of it.
  Result<void> copy_to(DiskFile& to, std::uint64_t bytes, const LongWork& work);

 private:
  FrozenDisk(std::unique_ptr<DiskFile> base, DiskManifest manifest,
             std::vector<std::unique_ptr<DiskLayer>> layers)
      : base_(std::move(base)), manifest_(std::move(manifest)), layers_(std::move(layers)) {}
  Result<void> read_base(std::uint64_t offset, std::span<std::byte> into);

  std::unique_ptr<DiskFile> base_;
  DiskManifest manifest_;
  std::vector<std::unique_ptr<DiskLayer>> layers_;  // bottom first
};

}  // namespace tl::storage
