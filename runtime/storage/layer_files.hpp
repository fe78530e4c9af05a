// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "runtime/storage/disk_file.hpp"
#include "runtime/storage/disk_folder.hpp"

namespace tl::storage {

// The two files that are one layer of a disk, and how they come into a folder and out of it. What is in them
// is DiskLayer's business. One thread at a time.
struct LayerFiles {
  std::unique_ptr<DiskFile> data;
  std::unique_ptr<DiskFile> map;

  [[nodiscard]] static std::string data_name(const std::string& id);
  [[nodiscard]] static std::string map_name(const std::string& id);

  // Both files, sparse and empty, for a device of that size; after an error neither is there.
  static Result<LayerFiles> create(DiskFolder& folder, const std::string& id, std::uint64_t device_bytes);
  // With kReadWrite, refuses files that another folder has as well: they would change there.
  static Result<LayerFiles> open(DiskFolder& folder, const std::string& id, FileAccess access);
  // The layer, which nobody changes any more, is in `to` as well, and its contents are durable as far as `to`
  // waits for the host's disk. After an error neither file is in `to`.
  static Result<void> share(DiskFolder& folder, const std::string& id, DiskFolder& to);
  // What cannot be removed costs space, nothing else: the next open of the disk tries again.
  static void remove(DiskFolder& folder, const std::string& id);
  // The same for every file of a disk that belongs to none of the layers `kept`, and for documents that were
  // never finished.
  static void remove_others(DiskFolder& folder, const std::vector<std::string>& kept);
};

}  // namespace tl::storage
