// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "runtime/snapshot/artefact_store.hpp"
#include "runtime/snapshot/snapshot_manifest.hpp"

namespace tl::snapshot {

// The snapshots of this user: snapshots/<id>/ in the state folder. The files of a snapshot are put into its
// draft, then it is committed; from then on it is there for everybody until it is removed. Any number of
// processes; an object is for one thread at a time.
class SnapshotStore {
 public:
  using NewId = std::function<std::string()>;

  static Result<SnapshotStore> open(const std::filesystem::path& state_folder, NewId new_id);

  // A folder for a snapshot to be, whose ID is its key.
  Result<ArtefactDraft> begin();
  // Fills in the ID and the size. kOutOfRange for a malformed name, kConflict for one that is taken.
  Result<SnapshotManifest> commit(ArtefactDraft draft, SnapshotManifest manifest);
  // Whether commit() would take the name now: for asking before the work. Errors as commit()'s.
  [[nodiscard]] Result<void> check_name(const std::string& name) const;

  struct Listing {
    std::vector<SnapshotManifest> snapshots;  // newest first
    std::vector<std::string> problems;        // one sentence for every damaged one
  };
  [[nodiscard]] Result<Listing> list() const;
  // kNotFound; kFailure when it is damaged, which a name cannot tell.
  [[nodiscard]] Result<SnapshotManifest> find(const std::string& id_or_name) const;

  // For as long as something is made from it. kNotFound.
  [[nodiscard]] Result<ArtefactPin> pin(const std::string& id) const { return artefacts_.pin(id); }
  // By ID, a damaged one too. kNotFound; kConflict while it is pinned.
  Result<void> remove(const std::string& id_or_name);
  // Removes what was begun and not committed, and is in nobody's hands. Returns how many.
  Result<std::size_t> sweep() { return artefacts_.sweep(); }

 private:
  SnapshotStore(ArtefactStore artefacts, NewId new_id)
      : artefacts_(std::move(artefacts)), new_id_(std::move(new_id)) {}
  [[nodiscard]] Result<SnapshotManifest> load(const std::string& id) const;

  ArtefactStore artefacts_;
  NewId new_id_;
};

}  // namespace tl::snapshot
