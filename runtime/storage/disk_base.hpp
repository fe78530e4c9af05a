// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "common/result.hpp"
#include "runtime/storage/disk_file.hpp"

namespace tl::storage {

// The image under a disk: a raw file, never written, shorter than the device or as long.
struct DiskBase {
  std::filesystem::path path;
  std::string digest;  // names the contents; a disk is never opened on top of another

  // Open, and as long as it was then.
  struct Image {
    std::unique_ptr<DiskFile> file;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] Result<Image> open() const;
  // The image of a disk that was made on top of `expected_digest`, which had `expected_bytes`: kConflict when
  // this is another.
  [[nodiscard]] Result<std::unique_ptr<DiskFile>> open_for(const std::string& expected_digest,
                                                           std::uint64_t expected_bytes) const;
};

}  // namespace tl::storage
