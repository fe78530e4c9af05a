// SPDX-License-Identifier: Apache-2.0
// A snapshot's disk as an image: what its layers and the image below hold, in one file that nobody else has.
#include <fcntl.h>

#include <array>
#include <utility>

#include <fmt/format.h>

#include "common/data_folders.hpp"
#include "common/io.hpp"
#include "runtime/registry/paths.hpp"
#include "runtime/sandbox/image_info.hpp"
#include "runtime/sandbox/local_runtime.hpp"
#include "runtime/sandbox/stop_request.hpp"
#include "runtime/storage/ext4_condition.hpp"
#include "runtime/storage/frozen_disk.hpp"
#include "runtime/storage/image_store.hpp"

namespace tl {
namespace {

using namespace std::chrono_literals;
using snapshot::SnapshotManifest;
using storage::Ext4Condition;

constexpr auto kFreezeLimit = 600s;

std::string handle_of(const SnapshotManifest& snapshot) {
  return snapshot.name.value_or(snapshot.snapshot_id);
}

// An ID is given once, so it stands for what is on the disk.
std::string digest_of(const SnapshotManifest& snapshot, const storage::ImageConfig& config) {
  return storage::image_digest(fmt::format("snapshot {}\nimage {}\ndisk {}\nconfig {}", snapshot.snapshot_id,
                                           snapshot.image_digest, snapshot.disk_mb,
                                           storage::to_json(config)));
}

Result<Ext4Condition> condition_of(storage::FrozenDisk& disk, std::uint64_t disk_bytes) {
  std::array<std::byte, Ext4Condition::kBytes> beginning{};
  if (auto read = disk.read(0, beginning); !read) return read.error();
  auto condition = Ext4Condition::of(beginning);
  if (!condition) return condition;
  if (condition->size_bytes > disk_bytes || disk_bytes > disk.size_bytes())
    return Error{ErrorCode::kFailure, "its file system is larger than its disk", ""};
  if (condition->state == Ext4Condition::State::kDamaged)
    return Error{ErrorCode::kFailure, "its file system has errors, which the kernel found",
                 "make the snapshot of another sandbox"};
  return condition;
}

Result<void> write_root(storage::FrozenDisk& disk, const std::filesystem::path& path, std::uint64_t bytes,
                        const storage::LongWork& work) {
  auto fd = open_at(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!fd) return fd.error();
  if (::ftruncate(fd->get(), static_cast<off_t>(bytes)) != 0) return errno_error("size " + path.string());
  const auto file = storage::make_host_file(*std::move(fd), path);
  if (auto copied = disk.copy_to(*file, bytes, work); !copied) return copied;
  return storage::punch_free_blocks(path);
}

}  // namespace

Result<snapshot::ArtefactDraft> LocalRuntime::freeze_in_draft(const registry::SandboxRecord& record) {
  auto store = snapshots();
  if (!store) return store.error();
  auto draft = store->begin();
  if (!draft) return draft;
  if (auto kept = keep(record, CheckpointType::kFilesystem, *draft, kFreezeLimit); !kept) return kept.error();
  return draft;
}

Result<snapshot::ArtefactDraft> LocalRuntime::finish_disk(const SnapshotManifest& snapshot, int signals,
                                                          const Progress& progress) {
  CreateRequest request;
  request.snapshot = snapshot.snapshot_id;
  request.network.no_internet = true;
  request.lifetime = SandboxLifetime::kCreators;
  request.image_entrypoint = ImageEntrypoint::kLeave;
  request.signals = signals;
  const auto created = create(request, progress);
  if (!created) return created.error();
  const std::string& id = created->sandbox.record.sandbox_id;
  auto frozen = freeze_in_draft(created->sandbox.record);
  if (const auto ended = terminate(id); !ended && frozen) return ended.error();
  [[maybe_unused]] const auto forgotten = registry_.remove(id);
  return frozen;
}

Result<ImageInfo> LocalRuntime::register_image(const ImageRegistration& request, const Progress& progress) {
  const auto found = find_snapshot(request.snapshot);
  if (!found) return found.error();
  const SnapshotManifest* const snapshot = &found->manifest;
  const std::string doing = "register snapshot " + handle_of(*snapshot);
  if (snapshot->type == SnapshotManifest::Type::kMemory) {
    return Error{ErrorCode::kConflict, doing + ": it is of a running machine, and an image is a disk",
                 fmt::format("make a sandbox from it (tl sbx create --snapshot {}), and a filesystem "
                             "checkpoint of that",
                             handle_of(*snapshot))};
  }
  auto images = storage::ImageStore::open(registry_.folder().path(), data_folders());
  if (!images) return images.error();
  const auto base = images->find_digest(snapshot->image_digest);
  if (!base) return base.error().within(doing);

  storage::ImageStore::Recipe recipe;
  recipe.config = request.config.value_or(base->manifest.config);
  recipe.digest = digest_of(*snapshot, recipe.config);
  recipe.source = base->manifest.source;
  recipe.disk_mib = snapshot->disk_mb;
  const storage::LongWork work{request.moved,
                               [signals = request.signals] { return is_asked_to_stop(signals); }};
  const auto build = [&](const std::filesystem::path& root_file) -> Result<void> {
    const std::uint64_t bytes = std::uint64_t{snapshot->disk_mb} << 20;
    const storage::DiskBase below{base->root_file, snapshot->image_digest};
    auto disk = storage::FrozenDisk::open(found->path / registry::layout::kDisk, below);
    if (!disk) return disk.error();
    auto condition = condition_of(**disk, bytes);
    if (!condition) return condition.error();
    if (condition->state == Ext4Condition::State::kClean) return write_root(**disk, root_file, bytes, work);
    const auto finished = finish_disk(*snapshot, request.signals, progress);
    if (!finished) return finished.error().within("finish its file system");
    disk = storage::FrozenDisk::open(finished->path() / registry::layout::kDisk, below);
    if (!disk) return disk.error();
    condition = condition_of(**disk, bytes);
    if (!condition) return condition.error();
    if (condition->state != Ext4Condition::State::kClean)
      return Error{ErrorCode::kFailure, "its file system could not be finished",
                   "make the snapshot of a running sandbox"};
    return write_root(**disk, root_file, bytes, work);
  };
  const auto image = images->add(request.name, recipe, build);
  if (!image) return image.error().within(doing);
  return info_of(*image);
}

}  // namespace tl
