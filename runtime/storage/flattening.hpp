// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "runtime/storage/disk_folder.hpp"
#include "runtime/storage/disk_layer.hpp"
#include "runtime/storage/disk_manifest.hpp"
#include "runtime/storage/layer_files.hpp"

namespace tl::storage {

// All frozen layers of a disk on their way to become one, while the disk goes on: planned with the disk,
// merged apart from it, installed with the disk again. It has its own descriptors of files that never change,
// and of two new ones that nobody else knows, so the disk may be used, frozen and even closed meanwhile.
//
// What ends it is LayeredDisk::install(), whether merge() came to its end or not: only that removes its files
// when they are of no use. Should the process end first, the next open of the disk does.
class Flattening {
 public:
  // The thread of the disk. Opens and makes files, reads and syncs nothing. kConflict when fewer than two
  // layers are frozen.
  static Result<std::unique_ptr<Flattening>> plan(DiskFolder& folder, const DiskManifest& manifest);

  // Copies what is visible of the layers, once, on any thread; takes as long as that takes. kHostLacks when
  // the host has no space for a second copy. What it has read is checked as when a disk is opened.
  Result<void> merge();
  // Lets merge() fail soon. Any thread.
  void stop() { stopped_ = true; }

  // The layers that are merged, bottom first.
  [[nodiscard]] const std::vector<std::string>& merged() const { return manifest_.layers; }
  // Of the layer that takes their place.
  [[nodiscard]] const std::string& id() const { return id_; }
  // That layer, once, flushed; kConflict unless merge() has succeeded.
  Result<DiskLayer> take();

 private:
  Flattening(DiskManifest manifest, std::vector<LayerFiles> sources, std::string id, LayerFiles target);
  Result<std::vector<std::unique_ptr<DiskLayer>>> open_sources();
  Result<void> copy(DiskLayer& from, DiskLayer& to, std::uint64_t first, std::uint64_t count);

  DiskManifest manifest_;  // of the disk as it was, without its delta
  std::vector<LayerFiles> sources_;
  std::string id_;
  LayerFiles target_;
  std::optional<DiskLayer> layer_;
  std::vector<std::byte> buffer_;
  std::atomic<bool> stopped_ = false;
};

}  // namespace tl::storage
