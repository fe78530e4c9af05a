// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "runtime/storage/cluster_map.hpp"
#include "runtime/storage/disk_file.hpp"
#include "runtime/storage/disk_folder.hpp"
#include "runtime/storage/layer_files.hpp"

namespace tl::storage {

// One delta of a disk: a data file with the device's offsets and the map that says which clusters are in it.
// Keeps the two in the order that survives a crash (see disk_layer.cpp). A frozen layer is one that nobody
// changes any more. One thread at a time.
class DiskLayer {
 public:
  // Makes both files, durable but for the folder's entry of them. What an error leaves behind is removed.
  static Result<DiskLayer> create(DiskFolder& folder, const MapHeader& header);
  // The same in files that LayerFiles::create() has made.
  static Result<DiskLayer> create(LayerFiles files, const MapHeader& header);
  // Refuses files that are not those of `expected`. With kReadWrite, gives back what an earlier life left to
  // give back.
  static Result<DiskLayer> open(DiskFolder& folder, const MapHeader& expected, FileAccess access);
  static Result<DiskLayer> open(LayerFiles files, const MapHeader& expected, FileAccess access);

  [[nodiscard]] const std::string& id() const { return map_.header().id; }
  // Clusters for which host space is in use, those not yet given back included.
  [[nodiscard]] std::uint64_t held() const { return held_; }
  // Those that a flush() would give back.
  [[nodiscard]] std::uint64_t releasable() const { return releasable_; }

  Result<ClusterMap::Run> run(std::uint64_t first, std::uint64_t limit) { return map_.run(first, limit); }
  // How many of the clusters would have to be added to held() if all were written.
  Result<std::uint64_t> count_unheld(std::uint64_t first, std::uint64_t count);

  // From the data file; meaningful where the map says kPresent.
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) { return data_->read(offset, into); }
  // Writes the pieces, which touch exactly the clusters [first, first + count) and cover whatever of them is
  // not present. After an error everything that was not present is as before.
  Result<void> write(std::uint64_t offset, std::span<const iovec> pieces, std::uint64_t first,
                     std::uint64_t count);
  // DiskFile::free_space() of the data file.
  std::optional<std::uint64_t> free_space() { return data_->free_space(); }
  // The clusters, all in state `current`, read as zeroes from now on.
  Result<void> zero(std::uint64_t first, std::uint64_t count, ClusterState current);
  // Makes all of the above durable and gives space back, not all of it at once when it is in many pieces.
  // After a failed fdatasync every change and flush fails until the disk is opened anew, because the host may
  // have dropped what it could not write.
  Result<void> flush();
  // Makes durable what a flush() right before did not, because nothing waited for the host's disk then.
  Result<void> sync();

 private:
  DiskLayer(std::unique_ptr<DiskFile> data, ClusterMap map) : data_(std::move(data)), map_(std::move(map)) {}
  Result<void> recover(FileAccess access);
  Result<void> sweep_unmapped();
  void release();
  void undo_write(std::uint64_t first, std::uint64_t count);
  Error broken(const Error& why);
  void note_releasable(std::uint64_t first, std::uint64_t count);

  struct Range {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
  };

  std::unique_ptr<DiskFile> data_;
  ClusterMap map_;
  std::uint64_t held_ = 0;
  std::uint64_t releasable_ = 0;
  std::vector<Range> to_release_;  // covers all clusters in state kZeroHeld, and perhaps others
  bool data_dirty_ = false;
  std::optional<Error> broken_;
};

}  // namespace tl::storage
