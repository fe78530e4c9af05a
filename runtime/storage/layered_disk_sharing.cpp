// SPDX-License-Identifier: Apache-2.0
// How frozen layers of a LayeredDisk go into a folder of their own, and from there into other disks.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/random.hpp"
#include "runtime/storage/layered_disk.hpp"

namespace tl::storage {
namespace {

// The manifest first: a folder without one is half-made, whatever else is in it.
void remove_all(DiskFolder& folder) {
  [[maybe_unused]] auto ignored = folder.remove_file(DiskManifest::kFileName);
  LayerFiles::remove_others(folder, {});
}

Result<DiskManifest> read_frozen(DiskFolder& folder) {
  auto manifest = DiskManifest::read(folder);
  if (manifest && !manifest->frozen)
    return Error{ErrorCode::kConflict, "the disk that it is to be made from is not frozen", ""};
  return manifest;
}

}  // namespace

Result<void> LayeredDisk::export_frozen(const std::filesystem::path& to) {
  const std::string doing = "export frozen layers to " + to.string();
  const bool made = ::mkdir(to.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return errno_error(doing);
  auto folder = open_host_folder(to);
  if (!folder) return folder.error().within(doing);
  auto exported = export_frozen(**folder);
  if (exported) return {};
  if (made) ::rmdir(to.c_str());
  return exported.error().within(doing);
}

Result<void> LayeredDisk::export_frozen(DiskFolder& to) {
  if (manifest_.frozen_layers() == 0) return Error{ErrorCode::kConflict, "the disk was never frozen", ""};
  auto names = to.file_names();
  if (!names) return names.error();
  if (!names->empty()) return Error{ErrorCode::kConflict, "the folder is not empty", ""};
  DiskManifest frozen = manifest_;
  frozen.layers.resize(manifest_.frozen_layers());
  frozen.frozen = true;
  Result<void> done;
  for (std::size_t i = 0; done && i < frozen.layers.size(); ++i)
    done = LayerFiles::share(*folder_, frozen.layers[i], to);
  if (done) done = to.replace_document(DiskManifest::kFileName, frozen.to_json());
  if (!done) remove_all(to);
  return done;
}

Result<std::unique_ptr<LayeredDisk>> LayeredDisk::create_from(const std::filesystem::path& dir,
                                                              const std::filesystem::path& frozen_dir,
                                                              const DiskSpec& spec) {
  const std::string doing = "create disk " + dir.string() + " from " + frozen_dir.string();
  const bool made = ::mkdir(dir.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return errno_error(doing);
  const auto syncs = std::make_shared<SyncSwitch>(spec.durability == Durability::kSynced);
  auto folder = open_host_folder(dir, syncs);
  if (!folder) return folder.error().within(doing);
  // Many are made from one frozen disk at a time, so it is not locked. Should it be removed meanwhile, files
  // are missing, and this is refused.
  auto frozen = open_host_folder_unlocked(frozen_dir);
  if (!frozen) return frozen.error().within(doing);
  auto disk = made ? create_from_in_empty(std::move(*folder), **frozen, spec)
                   : create_from(std::move(*folder), **frozen, spec);
  if (!disk) return disk.error().within(doing);
  (*disk)->syncs_ = syncs;
  return disk;
}

Result<std::unique_ptr<LayeredDisk>> LayeredDisk::create_from(std::unique_ptr<DiskFolder> folder,
                                                              DiskFolder& frozen, const DiskSpec& spec) {
  if (auto emptied = make_empty(*folder); !emptied) return emptied.error();
  return create_from_in_empty(std::move(folder), frozen, spec);
}

Result<std::unique_ptr<LayeredDisk>> LayeredDisk::create_from_in_empty(std::unique_ptr<DiskFolder> folder,
                                                                       DiskFolder& frozen,
                                                                       const DiskSpec& spec) {
  auto read = read_frozen(frozen);
  if (!read) return read.error();
  DiskManifest manifest = *std::move(read);
  auto base = spec.base.open_for(manifest.base_digest, manifest.base_bytes);
  if (!base) return base.error();
  if (spec.device_bytes != manifest.device_bytes)
    return Error{ErrorCode::kOutOfRange,
                 "a device of " + std::to_string(manifest.device_bytes) + " bytes cannot become one of " +
                     std::to_string(spec.device_bytes),
                 ""};
  if (spec.quota_bytes < manifest.quota_bytes)
    return Error{ErrorCode::kOutOfRange,
                 "a disk of " + std::to_string(manifest.quota_bytes >> 20) + " MiB cannot shrink to " +
                     std::to_string(spec.quota_bytes >> 20) + " MiB",
                 ""};
  manifest.frozen = false;
  manifest.quota_bytes = spec.quota_bytes;
  manifest.layers.push_back(random_base36(kLayerIdLength));
  if (auto sound = manifest.check(); !sound) return sound.error();

  auto layers = make_layers(*folder, frozen, manifest);
  Result<void> done = layers ? Result<void>() : layers.error();
  if (done) done = folder->replace_document(DiskManifest::kFileName, manifest.to_json());
  if (!done) {
    remove_all(*folder);
    return done.error();
  }
  return std::unique_ptr<LayeredDisk>(
      new LayeredDisk(std::move(folder), *std::move(base), std::move(manifest), *std::move(layers)));
}

// They are opened before the manifest names them, so that nothing damaged becomes a disk.
Result<std::vector<std::unique_ptr<DiskLayer>>> LayeredDisk::make_layers(DiskFolder& folder,
                                                                         DiskFolder& frozen,
                                                                         const DiskManifest& manifest) {
  const std::size_t count = manifest.frozen_layers();
  for (std::size_t i = 0; i < count; ++i)
    if (auto shared = LayerFiles::share(frozen, manifest.layers[i], folder); !shared) return shared.error();
  auto delta =
      DiskLayer::create(folder, {manifest.device_bytes, manifest.layers.back(), manifest.parent_of(count)});
  if (!delta) return delta.error();
  return open_layers(folder, manifest);
}

}  // namespace tl::storage
