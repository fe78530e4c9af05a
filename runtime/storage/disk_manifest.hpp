// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace tl::storage {

// The document of a disk's folder, written last and replaced as a whole: a folder without one is half-made, a
// file that it does not name is left over.
struct DiskManifest {
  static constexpr const char* kFileName = "manifest.json";
  static constexpr std::size_t kMaxBytes = 64 * 1024;
  static constexpr std::size_t kMaxLayers = 128;

  std::uint64_t device_bytes = 0;
  std::uint64_t quota_bytes = 0;
  std::string base_digest;  // [0-9A-Za-z:._+-], at most 160
  std::uint64_t base_bytes = 0;
  std::vector<std::string> layers;  // ids, bottom first; the last is the writable delta

  // kOutOfRange when a value is not what its comment says.
  [[nodiscard]] Result<void> check() const;
  [[nodiscard]] std::string to_json() const;
  static Result<DiskManifest> from_json(std::string_view text);
};

}  // namespace tl::storage
