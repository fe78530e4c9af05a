// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "common/result.hpp"
#include "runtime/storage/cluster_map_format.hpp"
#include "runtime/storage/disk_file.hpp"

namespace tl::storage {

// The map of one delta: a state for each cluster of the device, in memory and in its file. Pages are loaded
// when they are first asked for, and pages in which everything is absent take no memory. Changes stay in
// memory until write_back(); when they may go there is DiskLayer's business. Everything in the file is taken
// as hostile. One thread at a time.
class ClusterMap {
 public:
  struct Run {
    ClusterState state = ClusterState::kAbsent;
    std::uint64_t length = 0;  // in clusters
  };
  using RunVisitor = std::function<void(std::uint64_t first, const Run& run)>;

  // Writes the header of an empty map; not yet durable.
  static Result<ClusterMap> create(std::unique_ptr<DiskFile> file, const MapHeader& header);
  static Result<ClusterMap> open(std::unique_ptr<DiskFile> file);

  [[nodiscard]] const MapHeader& header() const { return header_; }
  [[nodiscard]] std::uint64_t clusters() const { return header_.device_bytes / kClusterBytes; }

  // Reads the whole file once, checks it, and shows every run that is not absent, in order.
  Result<void> scan(const RunVisitor& visit);

  // The state of `first` and how many clusters from there on share it; 1 ≤ length ≤ limit, and the next may
  // be equal.
  Result<Run> run(std::uint64_t first, std::uint64_t limit);

  // Loads the pages of the range and sees to it that writing them back finds space. Must precede set().
  Result<void> prepare(std::uint64_t first, std::uint64_t count);
  void set(std::uint64_t first, std::uint64_t count, ClusterState state);
  // Like set(), but the file need not learn of it.
  void set_unrecorded(std::uint64_t first, std::uint64_t count, ClusterState state);

  [[nodiscard]] bool is_dirty() const { return !dirty_.empty(); }
  // Writes the changed pages. They count as changed until sync() has made them durable.
  Result<void> write_back();
  Result<void> sync();

 private:
  struct Slot {
    std::unique_ptr<MapPage> page;
    bool known_empty = false;  // nothing but absent in the file, and no page in memory
    bool reserved = false;     // the file has space for it
    bool dirty = false;
  };

  ClusterMap(std::unique_ptr<DiskFile> file, MapHeader header);
  Result<void> load(std::uint64_t index);
  Result<void> read_page(std::uint64_t index, MapPage& into);

  std::unique_ptr<DiskFile> file_;
  MapHeader header_;
  std::vector<Slot> slots_;
  std::vector<std::uint64_t> dirty_;
};

}  // namespace tl::storage
