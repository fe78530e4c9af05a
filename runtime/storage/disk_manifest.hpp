// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "runtime/storage/disk_folder.hpp"

namespace tl::storage {

// The document of a disk's folder, written last and replaced as a whole: a folder without one is half-made, a
// file that it does not name is left over. Plain data; versions 1 and 2 are read, 2 is written.
struct DiskManifest {
  static constexpr const char* kFileName = "manifest.json";
  static constexpr std::size_t kMaxBytes = 64 * 1024;
  static constexpr std::size_t kMaxLayers = 128;

  std::uint64_t device_bytes = 0;
  std::uint64_t quota_bytes = 0;
  std::string base_digest;  // [0-9A-Za-z:._+-], at most 160
  std::uint64_t base_bytes = 0;
  std::vector<std::string> layers;  // ids, bottom first; the last is the writable delta, unless frozen
  bool frozen = false;              // no delta: all layers are frozen, and at least one is free for a delta
  // When the bottom layer is several merged into one: the uppermost of those, which the layer above goes on
  // naming as its parent, because a frozen map never changes. Else empty.
  std::string bottom_stands_for;

  // What the map of the layer at `index` says is below it, be it there already or about to be made; empty
  // for the image.
  [[nodiscard]] std::string parent_of(std::size_t index) const;
  // That the image reaches into.
  [[nodiscard]] std::uint64_t base_clusters() const;
  // Those that never change.
  [[nodiscard]] std::size_t frozen_layers() const { return frozen ? layers.size() : layers.size() - 1; }

  // kOutOfRange when a value is not what its comment says.
  [[nodiscard]] Result<void> check() const;
  [[nodiscard]] std::string to_json() const;
  static Result<DiskManifest> from_json(std::string_view text);
  // That of the folder; an error that says so when the folder has none.
  static Result<DiskManifest> read(DiskFolder& folder);
};

}  // namespace tl::storage
