// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/atomic_file.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/snapshot/memory_map.hpp"
#include "runtime/snapshot/page_set.hpp"
#include "runtime/snapshot/ram_pages.hpp"

namespace tl::snapshot {

// The memory of a guest as files in a folder: at the bottom a base that others may share and nobody writes
// to, over it a delta of this folder's own; what neither has is zero. RAM is one range of bytes, page p at
// p × 4096. The files are those of FORMAT.md.
//
// Whoever has the image open owns the folder's memory files; no two do so at once. One thread at a time; the
// calls block on the host's disk. Errors name the folder.
class MemoryImage {
 public:
  static constexpr std::size_t kMaxMappings = 4096;  // of the 65530 that Linux gives a process by default

  // A memory of nothing but zeroes; what the folder has of another is removed. No file is made before the
  // first save. `path` is the folder's, for messages.
  static Result<MemoryImage> create(UniqueFd folder, std::filesystem::path path, std::uint64_t ram_bytes);
  // kNotFound when the folder has no memory; kFailure when it is damaged, of another size, or when a save did
  // not come to its end: then the memory is lost, and the guest can only boot from its disk.
  static Result<MemoryImage> open(UniqueFd folder, std::filesystem::path path, std::uint64_t ram_bytes);

  struct SaveReport {
    std::uint64_t pages_compared = 0;
    std::uint64_t pages_written = 0;  // stored in the delta
    std::uint64_t pages_zeroed = 0;   // were something else before
    std::uint64_t bytes_written = 0;  // to the delta
  };
  // Makes the image what `ram` is: of `pages.written` what differs from the image is written, `pages.zero`
  // become zero without a look at them, all others are as the image says already.
  //
  // The delta is changed in place, so a crash in the middle loses the memory; its map, removed before the
  // first change and written after the last, tells. When nothing differs, nothing is written. After a failure
  // the memory on disk is lost, and another save of at least the same pages makes it good.
  //
  // The guest stands still, and may be one that runs on map_private() of this very image: a page that
  // differs from the file is a private copy already, so writing the file does not show in the guest.
  Result<SaveReport> save(std::span<const std::byte> ram, const RamPages& pages, Durability durability);

  struct Mapped {
    std::size_t mappings = 0;
    std::uint64_t pages_copied = 0;  // in runs too short for a mapping of their own
  };
  // Puts the image over a reservation of ram_bytes() at `at`, copy-on-write: a page costs when it is touched.
  // At most `max_mappings` (2 or more) are made, the rest is read into place. The mapping outlives this
  // object, saves to it and exports. After a failure the reservation holds anything.
  Result<Mapped> map_private(std::byte* at, std::size_t max_mappings = kMaxMappings) const;

  // Copies the pages that the image has into a memory that is zero. Returns how many bytes. For memory that
  // others map, by a descriptor; for our own, in place.
  [[nodiscard]] Result<std::uint64_t> read_into(int memfd) const;
  [[nodiscard]] Result<std::uint64_t> read_into(std::span<std::byte> zeroed) const;

  // Makes the present image, which has been saved, the base of another folder that has no memory yet. With
  // only one of base and delta it takes no copy: a delta becomes this folder's base first, so that no later
  // save changes what is shared. With both (or across file systems) they are merged into a new file, and this
  // folder stays as it is. A crash leaves this folder right, the other half-made.
  Result<void> export_to(int other_folder, Durability durability);

  [[nodiscard]] std::uint64_t ram_bytes() const { return ram_bytes_; }
  // The pages that are not known to be zero.
  [[nodiscard]] PageSet contents() const;

 private:
  struct Layer {
    UniqueFd file;
    MemoryMap map;
  };
  class Save;

  MemoryImage(UniqueFd folder, std::filesystem::path path, std::uint64_t ram_bytes)
      : folder_(std::move(folder)), path_(std::move(path)), ram_bytes_(ram_bytes), unsettled_(pages()) {}
  [[nodiscard]] std::uint64_t pages() const { return ram_bytes_ / kPageBytes; }
  [[nodiscard]] Error within(const Error& error, const char* doing) const;
  Result<void> load();
  Result<void> finish_freeze();
  Result<void> freeze(Durability durability);
  Result<void> merge_into(int other_folder, Durability durability) const;
  struct Piece {
    const Layer* layer;
    PageRun run;
  };
  // Where to read the image's pages: runs of one file each.
  [[nodiscard]] std::vector<Piece> pieces() const;
  // What makes the image of its base.
  [[nodiscard]] std::vector<Piece> pieces_over_base() const;

  UniqueFd folder_;
  std::filesystem::path path_;
  std::uint64_t ram_bytes_;
  std::optional<Layer> base_;
  std::optional<Layer> delta_;
  bool has_map_ = false;       // the delta's map is on disk
  bool durable_ = false;       // the delta and its map are known to have been synced
  bool base_durable_ = false;  // the same for the base
  bool broken_ = false;        // a sync failed: what the host's cache says may not be what the disk has
  PageSet unsettled_;          // may be anything in the delta's file, because a save failed
};

}  // namespace tl::snapshot
