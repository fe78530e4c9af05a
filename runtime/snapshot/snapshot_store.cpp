// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/snapshot_store.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "common/identifier.hpp"
#include "common/printable.hpp"

namespace tl::snapshot {
namespace {

constexpr const char* kFolder = "snapshots";
constexpr std::size_t kMaxShownText = 100;

Error no_such_snapshot(const std::string& what) {
  return Error{ErrorCode::kNotFound,
               fmt::format("there is no snapshot \"{}\"", make_printable(what, kMaxShownText)), ""};
}

}  // namespace

Result<SnapshotStore> SnapshotStore::open(const std::filesystem::path& state_folder, NewId new_id) {
  auto artefacts = ArtefactStore::open(state_folder / kFolder, "snapshot");
  if (!artefacts) return artefacts.error();
  return SnapshotStore(*std::move(artefacts), std::move(new_id));
}

Result<ArtefactDraft> SnapshotStore::begin() {
  const std::string id = new_id_();
  TL_CHECK(is_id(id));
  return artefacts_.begin(id);
}

Result<void> SnapshotStore::check_name(const std::string& name) const {
  if (!is_name(name)) {
    return Error{ErrorCode::kOutOfRange,
                 fmt::format("\"{}\" is no name for a snapshot", make_printable(name, kMaxShownText)),
                 "a lowercase letter, then lowercase letters, digits and hyphens"};
  }
  const auto listing = list();
  if (!listing) return listing.error();
  for (const SnapshotManifest& other : listing->snapshots) {
    if (other.name == name)
      return Error{ErrorCode::kConflict, fmt::format("a snapshot is called \"{}\" already", name), ""};
  }
  return {};
}

Result<SnapshotManifest> SnapshotStore::commit(ArtefactDraft draft, SnapshotManifest manifest) {
  manifest.snapshot_id = draft.key();
  manifest.size_bytes = draft.allocated_bytes();
  const auto text = manifest.to_json();
  if (!text) return text.error();
  // From the look at the other names to the manifest that has this one, nobody else commits.
  const auto guard = artefacts_.lock();
  if (!guard) return guard.error();
  if (manifest.name) {
    if (auto is_free = check_name(*manifest.name); !is_free) return is_free.error();
  }
  if (auto done = std::move(draft).commit(*text); !done) return done.error();
  return manifest;
}

Result<SnapshotManifest> SnapshotStore::load(const std::string& id) const {
  const auto text = artefacts_.manifest(id);
  if (!text) return text.error().code == ErrorCode::kNotFound ? no_such_snapshot(id) : text.error();
  auto manifest = SnapshotManifest::from_json(*text);
  if (!manifest) return manifest.error().within("snapshot " + id);
  if (manifest->snapshot_id != id)
    return Error{ErrorCode::kFailure, fmt::format("snapshot {}: its manifest is another's", id), ""};
  return manifest;
}

Result<SnapshotStore::Listing> SnapshotStore::list() const {
  const auto ids = artefacts_.keys();
  if (!ids) return ids.error();
  Listing listing;
  for (const std::string& id : *ids) {
    auto manifest = load(id);
    if (manifest) {
      listing.snapshots.push_back(*std::move(manifest));
    } else if (manifest.error().code != ErrorCode::kNotFound) {  // removed meanwhile
      listing.problems.push_back(manifest.error().message);
    }
  }
  std::sort(listing.snapshots.begin(), listing.snapshots.end(), [](const auto& a, const auto& b) {
    return std::tie(b.created_at, b.snapshot_id) < std::tie(a.created_at, a.snapshot_id);
  });
  std::sort(listing.problems.begin(), listing.problems.end());
  return listing;
}

Result<SnapshotManifest> SnapshotStore::find(const std::string& id_or_name) const {
  if (is_id(id_or_name)) return load(id_or_name);
  const auto listing = list();
  if (!listing) return listing.error();
  for (const SnapshotManifest& snapshot : listing->snapshots) {
    if (snapshot.name == id_or_name) return snapshot;
  }
  return no_such_snapshot(id_or_name);
}

Result<void> SnapshotStore::remove(const std::string& id_or_name) {
  if (is_id(id_or_name)) return artefacts_.remove(id_or_name);
  const auto found = find(id_or_name);
  if (!found) return found.error();
  return artefacts_.remove(found->snapshot_id);
}

}  // namespace tl::snapshot
