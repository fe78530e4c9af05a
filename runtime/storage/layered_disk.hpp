// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/atomic_file.hpp"
#include "common/block_device.hpp"
#include "common/result.hpp"
#include "runtime/storage/cluster_map_format.hpp"
#include "runtime/storage/disk_base.hpp"
#include "runtime/storage/disk_file.hpp"
#include "runtime/storage/disk_folder.hpp"
#include "runtime/storage/disk_layer.hpp"
#include "runtime/storage/disk_manifest.hpp"
#include "runtime/storage/flattening.hpp"
#include "runtime/storage/host_headroom.hpp"
#include "runtime/storage/layer_source.hpp"

namespace tl::storage {

// A guest's device is as large as a disk may ever become; its file system is as large as was asked for.
inline constexpr std::uint64_t kDiskDeviceBytes = std::uint64_t{102400} << 20;

struct DiskSpec {
  DiskBase base;
  std::uint64_t device_bytes = 0;  // a multiple of 4096, at most kMaxDeviceBytes
  std::uint64_t quota_bytes = 0;   // what the delta and all frozen layers together may hold
  // kLazy: for a disk that a power failure of the host ends anyway. Nothing waits for the host's disk then,
  // flush() included, until start_syncing().
  Durability durability = Durability::kSynced;
};

// What can be said about a disk from its folder, whether somebody uses it or not.
struct DiskInfo {
  std::string base_digest;
  std::uint64_t device_bytes = 0;
  std::uint64_t quota_bytes = 0;
  std::uint64_t used_bytes = 0;    // on the host, without the image
  std::uint64_t shared_bytes = 0;  // those of used_bytes that other folders hold as well
  unsigned layers = 0;             // the writable one included
  bool frozen = false;             // made by export_frozen(); nobody can write to it
};

// A guest's disk: an image that many share, frozen layers, and one writable delta on top, copy-on-write in
// clusters of 4 KiB (FORMAT.md). A write beyond the quota or the host's space is refused with kHostLacks and
// changes nothing that was flushed; the disk goes on, and takes writes again when space has come back. The
// last of the host's space (HostHeadroom) is only for small writes and for the journal of the base's ext4.
// Requests of any size and number of clusters cost one system call for each contiguous run. The folder is
// locked while the object lives: one process, one object.
//
// Frozen layers never change, so several folders have the same files: a checkpoint's, which consists of
// nothing else (export_frozen), and those of the disks made from it (create_from). The host counts them:
// removing a folder frees what no other has. Files are copied where the host cannot share them.
//
// One thread at a time, except where said. Destroying it does not flush.
class LayeredDisk final : public BlockDevice {
 public:
  // Makes the folder unless it exists (its parent does), and in it an empty disk. kConflict when there is a
  // disk already; kOutOfRange for sizes. What an error leaves behind is no disk: open() says so, and create()
  // may be tried again.
  static Result<std::unique_ptr<LayeredDisk>> create(const std::filesystem::path& dir, const DiskSpec& spec);
  // Like create(), with the contents that a frozen disk has. kConflict when that is of another base;
  // kOutOfRange unless device_bytes is the same and quota_bytes the same or more.
  static Result<std::unique_ptr<LayeredDisk>> create_from(const std::filesystem::path& dir,
                                                          const std::filesystem::path& frozen_dir,
                                                          const DiskSpec& spec);
  // Refuses whatever is damaged, half-made, or made for another base; kConflict when the disk is in use, or
  // frozen. Removes files that no longer belong to the disk.
  static Result<std::unique_ptr<LayeredDisk>> open(const std::filesystem::path& dir, const DiskBase& base,
                                                   Durability durability = Durability::kSynced);

  // The same on any folder.
  static Result<std::unique_ptr<LayeredDisk>> create(std::unique_ptr<DiskFolder> folder,
                                                     const DiskSpec& spec);
  static Result<std::unique_ptr<LayeredDisk>> create_from(std::unique_ptr<DiskFolder> folder,
                                                          DiskFolder& frozen, const DiskSpec& spec);
  static Result<std::unique_ptr<LayeredDisk>> open(std::unique_ptr<DiskFolder> folder, const DiskBase& base);

  // Of a frozen disk, too, as the next.
  static Result<DiskInfo> describe(const std::filesystem::path& dir);
  // Makes durable what was flushed in the disk of the folder, which may be in use, also by another process.
  static Result<void> sync_files(const std::filesystem::path& dir);

  [[nodiscard]] std::uint64_t size_bytes() const override { return manifest_.device_bytes; }
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override;
  Result<void> write(std::uint64_t offset, std::span<const std::byte> from) override;
  Result<void> write_zeroes(std::uint64_t offset, std::uint64_t length) override;
  Result<void> discard(std::uint64_t offset, std::uint64_t length) override;
  Result<void> flush() override;

  // Flushes, makes the delta a frozen layer and puts an empty delta on top: no data is copied. Returns the id
  // of the frozen layer, whose files (LayerFiles) never change again. After an error the disk is as it was.
  Result<std::string> freeze();

  // Makes a frozen disk of the folder, which is made unless it is there and empty: what this disk was when
  // freeze() was last called. It is durable, that of a kLazy disk as well, but for its entry in the folder
  // above. kConflict when the folder has something in it, or the disk was never frozen. What an error leaves
  // behind is no disk. May go on beside reads and writes of another thread.
  Result<void> export_frozen(const std::filesystem::path& to);
  Result<void> export_frozen(DiskFolder& to);

  // Reading asks every layer in turn, so many become one; a full disk needs space for a second copy of what
  // they hold until the first is gone. Frozen disks that have them keep them.
  static constexpr std::size_t kManyLayers = 16;
  [[nodiscard]] bool wants_flattening() const { return manifest_.frozen_layers() >= kManyLayers; }
  // All frozen layers of now; then Flattening::merge(), which may go on beside this disk in another thread.
  Result<std::unique_ptr<Flattening>> plan_flattening();
  // Puts the merged layer in the place of those that it was made of. An error, also merge()'s, leaves the
  // disk as it was.
  Result<void> install(std::unique_ptr<Flattening> flattening);
  // All of it at once, for a disk that nobody runs on.
  Result<void> flatten();

  // A kLazy disk is kSynced from now on. What was flushed before is durable after sync_files(). Any thread.
  void start_syncing() { syncs_->turn_on(); }

  // The writable one included. The thread that freezes.
  [[nodiscard]] unsigned layer_count() const { return static_cast<unsigned>(layers_.size()); }
  // What counts against the quota. Any thread.
  [[nodiscard]] std::uint64_t held_bytes() const { return held_clusters_.load() * kClusterBytes; }

 private:
  LayeredDisk(std::unique_ptr<DiskFolder> folder, std::unique_ptr<DiskFile> base, DiskManifest manifest,
              std::vector<std::unique_ptr<DiskLayer>> layers);

  static Result<void> make_empty(DiskFolder& folder);
  static Result<std::unique_ptr<LayeredDisk>> create_in_empty(std::unique_ptr<DiskFolder> folder,
                                                              const DiskSpec& spec);
  static Result<std::unique_ptr<LayeredDisk>> create_from_in_empty(std::unique_ptr<DiskFolder> folder,
                                                                   DiskFolder& frozen, const DiskSpec& spec);
  static Result<std::vector<std::unique_ptr<DiskLayer>>> open_layers(DiskFolder& folder,
                                                                     const DiskManifest& manifest);
  static Result<std::vector<std::unique_ptr<DiskLayer>>> make_layers(DiskFolder& folder, DiskFolder& frozen,
                                                                     const DiskManifest& manifest);

  DiskLayer& delta() { return *layers_.back(); }
  Result<LayerSource> locate(std::size_t layer_count, std::uint64_t first, std::uint64_t limit);
  Result<void> read_base(std::uint64_t offset, std::span<std::byte> into);
  Result<bool> is_present(std::uint64_t cluster);
  Result<void> write_range(std::uint64_t offset, std::span<const iovec> pieces, std::uint64_t first,
                           std::uint64_t count);
  Result<void> write_once(std::uint64_t offset, std::span<const iovec> pieces, std::uint64_t first,
                          std::uint64_t count);
  Result<void> zero_part(std::uint64_t offset, std::uint64_t length);
  Result<void> zero_clusters(std::uint64_t first, std::uint64_t count);
  bool may_use_headroom(std::uint64_t first, std::uint64_t count);
  [[nodiscard]] std::uint64_t count_held() const;
  void check_range(std::uint64_t offset, std::uint64_t length) const;

  std::unique_ptr<DiskFolder> folder_;
  std::unique_ptr<DiskFile> base_;
  DiskManifest manifest_;
  std::vector<std::unique_ptr<DiskLayer>> layers_;  // bottom first; the last is the delta
  std::shared_ptr<SyncSwitch> syncs_ = std::make_shared<SyncSwitch>(true);
  std::atomic<std::uint64_t> held_clusters_ = 0;
  HostHeadroom headroom_;
  std::optional<std::vector<DiskFile::Extent>> journal_;  // once somebody wanted to know
};

}  // namespace tl::storage
