// SPDX-License-Identifier: Apache-2.0
// Checkpoints, copies, and what is thrown away. What a snapshot shares with sandboxes is linked, so that
// removing one of them takes nothing from the others.
#include <fcntl.h>

#include "common/data_folders.hpp"
#include "common/random.hpp"
#include "runtime/monitor/control.hpp"
#include "runtime/registry/paths.hpp"
#include "runtime/sandbox/liveness.hpp"
#include "runtime/sandbox/local_runtime.hpp"
#include "runtime/sandbox/machine_files.hpp"
#include "runtime/snapshot/template_store.hpp"
#include "runtime/storage/image_store.hpp"
#include "runtime/storage/layered_disk.hpp"

namespace tl {
namespace {

using namespace std::chrono_literals;
using registry::SandboxRecord;
using registry::SandboxState;
using snapshot::SnapshotManifest;

constexpr std::uint32_t kMostCopies = 1000;
constexpr auto kCopyLimit = 600s;

SnapshotManifest manifest_of(const SandboxRecord& record, const CheckpointRequest& request) {
  SnapshotManifest manifest;
  manifest.name = request.name;
  manifest.type = request.type == CheckpointType::kMemory ? SnapshotManifest::Type::kMemory
                                                          : SnapshotManifest::Type::kFilesystem;
  manifest.sandbox_id = record.sandbox_id;
  manifest.sandbox_name = record.name;
  manifest.image = record.image;
  manifest.image_digest = record.image_digest;
  manifest.cpus = record.resources.cpus;
  manifest.memory_mb = record.resources.memory_mb;
  manifest.disk_mb = record.resources.disk_mb;
  manifest.accelerator = record.accelerator;
  manifest.created_at = registry::now();
  return manifest;
}

// "web-copy", or "web-copy-2"; nothing for a source without a name. Cut so that it is a name.
std::optional<std::string> copy_name(const SandboxRecord& source, std::uint32_t number, std::uint32_t of) {
  if (!source.name) return std::nullopt;
  const std::string end = of == 1 ? "-copy" : fmt::format("-copy-{}", number);
  return source.name->substr(0, kMaxNameLength - end.size()) + end;
}

}  // namespace

Result<snapshot::SnapshotStore> LocalRuntime::snapshots() {
  return snapshot::SnapshotStore::open(registry_.folder().path(), [] { return random_base36(kIdLength); });
}

Result<void> LocalRuntime::keep_suspended(const SandboxRecord& record, CheckpointType type,
                                          const std::filesystem::path& folder) {
  const auto life = take_suspended(record.sandbox_id);
  if (!life) return life.error();
  if (!*life)
    return Error{ErrorCode::kConflict, fmt::format("sandbox {} is no longer suspended", handle(record)),
                 "try again"};
  const auto work = registry_.work_path(record.sandbox_id);
  const auto store = storage::ImageStore::open(registry_.folder().path(), data_folders());
  if (!store) return store.error();
  const auto image = store->find_digest(record.image_digest);
  if (!image) return image.error();
  const auto machine = work / registry::layout::kMachine;
  if (type == CheckpointType::kMemory && !has_machine(machine)) {
    return Error{ErrorCode::kConflict, fmt::format("the memory of sandbox {} was lost", handle(record)),
                 "a filesystem checkpoint keeps its disk"};
  }
  auto disk =
      storage::LayeredDisk::open(work / registry::layout::kDisk, {image->root_file, record.image_digest});
  if (!disk) return disk.error();
  if (auto frozen = (*disk)->freeze(); !frozen) return frozen.error();
  if ((*disk)->wants_flattening()) {
    if (auto flattened = (*disk)->flatten(); !flattened) return flattened;
  }
  if (auto kept = (*disk)->export_frozen(folder / registry::layout::kDisk); !kept) return kept;
  if (type == CheckpointType::kFilesystem) return {};
  return link_machine(machine, folder / registry::layout::kMachine,
                      std::uint64_t{record.resources.memory_mb} << 20, Durability::kSynced);
}

Result<void> LocalRuntime::keep(const SandboxRecord& record, CheckpointType type,
                                const snapshot::ArtefactDraft& draft, std::chrono::milliseconds limit) {
  const bool suspended =
      record.status == SandboxState::kSuspended || record.status == SandboxState::kSuspending;
  if (suspended) return keep_suspended(record, type, draft.path());
  if (!is_live(record)) return not_live(record);
  const std::string_view path =
      type == CheckpointType::kMemory ? monitor::kCheckpointMachinePath : monitor::kCheckpointDiskPath;
  return tell_monitor(record.sandbox_id, std::string(path) + draft.key(), AfterAnswer::kReturn, limit);
}

Result<SnapshotManifest> LocalRuntime::checkpoint(const std::string& sandbox,
                                                  const CheckpointRequest& request) {
  const auto record = registry_.find(sandbox);
  if (!record) return record.error();
  auto store = snapshots();
  if (!store) return store.error();
  if (request.name && request.lifetime == SandboxLifetime::kCreators)
    return Error{ErrorCode::kOutOfRange, "a snapshot that ends with its maker has no name", ""};
  if (request.name) {
    if (auto free = store->check_name(*request.name); !free) return free.error();
  }
  auto draft = store->begin();
  if (!draft) return draft.error();
  if (auto kept = keep(*record, request.type, *draft, request.limit); !kept)
    return kept.error().within("checkpoint " + handle(*record));
  if (request.lifetime == SandboxLifetime::kOwn)
    return store->commit(*std::move(draft), manifest_of(*record, request));
  SnapshotManifest manifest = manifest_of(*record, request);
  manifest.snapshot_id = draft->key();
  manifest.size_bytes = draft->allocated_bytes();
  own_snapshots_.emplace(manifest.snapshot_id, OwnSnapshot{manifest, *std::move(draft)});
  return manifest;
}

Result<LocalRuntime::FoundSnapshot> LocalRuntime::find_snapshot(const std::string& snapshot) {
  if (const auto own = own_snapshots_.find(snapshot); own != own_snapshots_.end())
    return FoundSnapshot{own->second.manifest, own->second.draft.path(), std::nullopt};
  const auto store = snapshots();
  if (!store) return store.error();
  auto manifest = store->find(snapshot);
  if (!manifest) return manifest.error();
  auto pin = store->pin(manifest->snapshot_id);
  if (!pin) return pin.error();
  auto path = pin->path();
  return FoundSnapshot{*std::move(manifest), std::move(path), *std::move(pin)};
}

Result<std::size_t> LocalRuntime::sweep_artefacts() {
  auto templates = snapshot::TemplateStore::open(registry_.folder().path());
  if (!templates) return templates.error();
  auto store = snapshots();
  if (!store) return store.error();
  std::size_t leftovers = 0;
  for (const auto& swept : {templates->sweep(), store->sweep()}) {
    if (!swept) return swept.error();
    leftovers += *swept;
  }
  return leftovers;
}

Result<SnapshotList> LocalRuntime::checkpoints() {
  auto store = snapshots();
  if (!store) return store.error();
  [[maybe_unused]] const auto swept = sweep_artefacts();
  auto listing = store->list();
  if (!listing) return listing.error();
  return SnapshotList{std::move(listing->snapshots), std::move(listing->problems)};
}

Result<SnapshotManifest> LocalRuntime::remove_checkpoint(const std::string& snapshot) {
  if (const auto own = own_snapshots_.find(snapshot); own != own_snapshots_.end()) {
    auto manifest = own->second.manifest;
    own_snapshots_.erase(own);
    return manifest;
  }
  auto store = snapshots();
  if (!store) return store.error();
  auto manifest = store->find(snapshot);
  if (!manifest) return manifest.error();
  const auto sandboxes = registry_.list(registry::ListFilter::kNotTerminated);
  if (!sandboxes) return sandboxes.error();
  for (const SandboxRecord& record : sandboxes->records) {
    if (record.snapshot_id != manifest->snapshot_id) continue;
    return Error{
        ErrorCode::kConflict,
        fmt::format("snapshot {} is used by sandbox {}, which was made from it", snapshot, handle(record)),
        fmt::format("terminate that first: `tl sbx terminate {}`", handle(record))};
  }
  if (auto removed = store->remove(manifest->snapshot_id); !removed) return removed.error();
  return manifest;
}

Result<std::vector<Created>> LocalRuntime::copy(const std::string& sandbox, const CopyRequest& request,
                                                const Progress& progress) {
  if (request.copies == 0 || request.copies > kMostCopies)
    return Error{ErrorCode::kOutOfRange,
                 fmt::format("{} copies: 1 to {} are possible", request.copies, kMostCopies), ""};
  const auto record = registry_.find(sandbox);
  if (!record) return record.error();
  auto store = snapshots();
  if (!store) return store.error();
  // Never committed: it goes with the draft.
  auto moment = store->begin();
  if (!moment) return moment.error();
  if (progress) progress("saving the sandbox");
  if (auto kept = keep(*record, CheckpointType::kMemory, *moment, kCopyLimit); !kept)
    return kept.error().within("copy " + handle(*record));

  std::vector<Created> copies;
  CreateRequest how;
  how.signals = request.signals;
  for (std::uint32_t i = 1; i <= request.copies; ++i) {
    SandboxRecord copy;
    copy.name = copy_name(*record, i, request.copies);
    copy.image = record->image;
    copy.image_digest = record->image_digest;
    copy.resources = record->resources;
    copy.timeout_secs = record->timeout_secs;
    copy.idle_timeout_secs = record->idle_timeout_secs;
    copy.entrypoint = record->entrypoint;
    copy.network = record->network;
    copy.exposed_ports = record->exposed_ports;
    copy.accelerator = record->accelerator;
    auto draft = draft_again(copy);
    if (draft) {
      draft->origin = monitor::Origin::kCopy;
      draft->source = moment->path();
    }
    auto created = draft ? create_from(*std::move(draft), how, progress) : draft.error();
    if (created) {
      copies.push_back(*std::move(created));
      continue;
    }
    for (const Created& made : copies)
      [[maybe_unused]] const auto gone = terminate(made.sandbox.record.sandbox_id);
    return created.error().within("copy " + handle(*record));
  }
  return copies;
}

Result<Pruned> LocalRuntime::prune() {
  Pruned pruned;
  const auto all = registry_.list(registry::ListFilter::kAll);
  if (!all) return all.error();
  for (const SandboxRecord& record : all->records) {
    if (record.status != SandboxState::kTerminated) continue;
    if (auto removed = registry_.remove(record.sandbox_id); !removed) return removed.error();
    ++pruned.records;
  }
  auto templates = snapshot::TemplateStore::open(registry_.folder().path());
  if (!templates) return templates.error();
  const auto shrunk = templates->shrink_to(0);
  if (!shrunk) return shrunk.error();
  pruned.templates = *shrunk;
  const auto swept = sweep_artefacts();
  if (!swept) return swept.error();
  pruned.leftovers = *swept;
  if (auto images = prune_images(pruned); !images) return images.error();
  return pruned;
}

}  // namespace tl
