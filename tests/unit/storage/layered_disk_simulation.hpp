// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/storage/disk_file.hpp"
#include "runtime/storage/disk_folder.hpp"
#include "tests/unit/storage/layered_disk_support.hpp"

namespace tl::storage::test {

using Sector = std::array<std::byte, 512>;

// A host in memory that remembers what was synced. It can end at any chosen step (a step is one call that
// changes something or syncs), and come back as after a killed process, which loses nothing that was written,
// or as after a power failure, which keeps of each write that was not synced any of its sectors, old or new.
// The dying call itself is done in part. It can also run out of space. Documents are replaced as a whole; a
// power failure may take back what happened to the names of a folder after its last replacement.
class SimulatedHost {
 public:
  static constexpr std::uint64_t kForever = ~std::uint64_t{0};

  explicit SimulatedHost(std::uint64_t seed) : random_(seed) {}

  // Folders of different names share nothing but files that were shared.
  std::unique_ptr<DiskFolder> open_folder(const std::string& folder = "disk");

  void die_after(std::uint64_t steps) { steps_left_ = steps; }
  [[nodiscard]] bool is_dead() const { return dead_; }
  // Both bring the host back to life.
  void come_back_after_kill();
  void come_back_after_power_failure();

  // Writes that would use more than this fail with ENOSPC, after having been done in part.
  void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }
  // From now on the host says how much of its capacity is free.
  void tell_free_space() { tells_free_space_ = true; }
  // The next sync fails as a broken disk does, forgetting what was written.
  void fail_next_sync() { fail_sync_ = true; }
  [[nodiscard]] std::uint64_t used_bytes() const;
  // Of the folder, documents included, sorted.
  [[nodiscard]] std::vector<std::string> names_in(const std::string& folder) const;
  [[nodiscard]] std::uint64_t syncs() const { return syncs_; }

 private:
  friend class SimulatedFile;
  friend class SimulatedFolder;

  using Sectors = std::map<std::uint64_t, Sector>;
  struct Change {
    std::uint64_t first = 0;  // sector
    std::uint64_t count = 0;
    bool punch = false;
    std::vector<Sector> contents;  // of a write
  };
  struct File {
    std::uint64_t bytes = 0;
    Sectors now;
    Sectors durable;
    std::set<std::uint64_t> reserved;  // sectors without contents that use space all the same
    std::vector<Change> unsynced;
  };

  struct Folder {
    std::map<std::string, std::shared_ptr<File>> files;
    std::map<std::string, std::shared_ptr<File>> durable_files;
    std::map<std::string, std::string> documents;
  };

  // Each once, in whatever folders it is, or was and may be again; in the order of names, for a seed's sake.
  [[nodiscard]] std::vector<std::shared_ptr<File>> all_files() const;
  static void apply(Sectors& sectors, const Change& change, const std::function<bool()>& chosen);
  // False when this is the step at which the host dies; everything afterwards fails.
  bool step();

  Random random_;
  std::map<std::string, Folder> folders_;
  std::uint64_t steps_left_ = kForever;
  std::uint64_t capacity_ = kForever;
  std::uint64_t syncs_ = 0;
  bool tells_free_space_ = false;
  bool dead_ = false;
  bool fail_sync_ = false;
};

}  // namespace tl::storage::test
