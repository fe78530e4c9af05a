// SPDX-License-Identifier: Apache-2.0
// How a LayeredDisk is made, opened, frozen and described; reading and writing are in layered_disk.cpp.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/io.hpp"
#include "common/random.hpp"
#include "runtime/storage/layered_disk.hpp"

namespace tl::storage {

Result<std::unique_ptr<LayeredDisk>> LayeredDisk::create(const std::filesystem::path& dir,
                                                         const DiskSpec& spec) {
  const std::string doing = "create disk " + dir.string();
  const bool made = ::mkdir(dir.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return errno_error(doing);
  const auto syncs = std::make_shared<SyncSwitch>(spec.durability == Durability::kSynced);
  auto folder = open_host_folder(dir, syncs);
  if (!folder) return folder.error().within(doing);
  auto disk = made ? create_in_empty(std::move(*folder), spec) : create(std::move(*folder), spec);
  if (!disk) return disk.error().within(doing);
  (*disk)->syncs_ = syncs;
  return disk;
}

// What was left of a disk that was never finished is removed.
Result<void> LayeredDisk::make_empty(DiskFolder& folder) {
  auto existing = folder.read_document(DiskManifest::kFileName, DiskManifest::kMaxBytes);
  if (existing) return Error{ErrorCode::kConflict, "there is a disk already", ""};
  if (existing.error().code != ErrorCode::kNotFound) return existing.error();
  LayerFiles::remove_others(folder, {});
  return {};
}

Result<std::unique_ptr<LayeredDisk>> LayeredDisk::create(std::unique_ptr<DiskFolder> folder,
                                                         const DiskSpec& spec) {
  if (auto emptied = make_empty(*folder); !emptied) return emptied.error();
  return create_in_empty(std::move(folder), spec);
}

Result<std::unique_ptr<LayeredDisk>> LayeredDisk::create_in_empty(std::unique_ptr<DiskFolder> folder,
                                                                  const DiskSpec& spec) {
  auto base = spec.base.open();
  if (!base) return base.error();

  DiskManifest manifest;
  manifest.device_bytes = spec.device_bytes;
  manifest.quota_bytes = spec.quota_bytes;
  manifest.base_digest = spec.base.digest;
  manifest.base_bytes = base->bytes;
  manifest.layers = {random_base36(kLayerIdLength)};
  if (auto sound = manifest.check(); !sound) return sound.error();
  const std::string& id = manifest.layers.front();
  auto delta = DiskLayer::create(*folder, {manifest.device_bytes, id, ""});
  if (!delta) return delta.error();
  if (auto written = folder->replace_document(DiskManifest::kFileName, manifest.to_json()); !written) {
    [[maybe_unused]] auto ignored =
        folder->remove_file(DiskManifest::kFileName);  // it may be there all the same
    LayerFiles::remove(*folder, id);
    return written.error();
  }
  std::vector<std::unique_ptr<DiskLayer>> layers;
  layers.push_back(std::make_unique<DiskLayer>(std::move(*delta)));
  return std::unique_ptr<LayeredDisk>(
      new LayeredDisk(std::move(folder), std::move(base->file), std::move(manifest), std::move(layers)));
}

Result<std::unique_ptr<LayeredDisk>> LayeredDisk::open(const std::filesystem::path& dir, const DiskBase& base,
                                                       Durability durability) {
  const std::string doing = "open disk " + dir.string();
  const auto syncs = std::make_shared<SyncSwitch>(durability == Durability::kSynced);
  auto folder = open_host_folder(dir, syncs);
  if (!folder) return folder.error().within(doing);
  auto disk = open(std::move(*folder), base);
  if (!disk) return disk.error().within(doing);
  (*disk)->syncs_ = syncs;
  return disk;
}

Result<std::unique_ptr<LayeredDisk>> LayeredDisk::open(std::unique_ptr<DiskFolder> folder,
                                                       const DiskBase& base) {
  auto manifest = DiskManifest::read(*folder);
  if (!manifest) return manifest.error();
  if (manifest->frozen) return Error{ErrorCode::kConflict, "the disk is frozen: others are made from it", ""};
  auto base_file = base.open_for(manifest->base_digest, manifest->base_bytes);
  if (!base_file) return base_file.error();
  auto layers = open_layers(*folder, *manifest);
  if (!layers) return layers.error();
  LayerFiles::remove_others(*folder, manifest->layers);
  return std::unique_ptr<LayeredDisk>(
      new LayeredDisk(std::move(folder), std::move(*base_file), std::move(*manifest), std::move(*layers)));
}

Result<std::vector<std::unique_ptr<DiskLayer>>> LayeredDisk::open_layers(DiskFolder& folder,
                                                                         const DiskManifest& manifest) {
  std::vector<std::unique_ptr<DiskLayer>> layers;
  for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
    const auto access = i < manifest.frozen_layers() ? FileAccess::kRead : FileAccess::kReadWrite;
    auto layer =
        DiskLayer::open(folder, {manifest.device_bytes, manifest.layers[i], manifest.parent_of(i)}, access);
    if (!layer) return layer.error();
    layers.push_back(std::make_unique<DiskLayer>(std::move(*layer)));
  }
  return layers;
}

Result<std::string> LayeredDisk::freeze() {
  if (layers_.size() >= DiskManifest::kMaxLayers)
    return Error{ErrorCode::kOutOfRange, "freeze the disk: it has as many layers as it may have", ""};
  if (auto flushed = flush(); !flushed) return flushed.error().within("freeze the disk");
  const std::string frozen = delta().id();
  DiskManifest manifest = manifest_;
  const std::string below = manifest.parent_of(manifest.layers.size());
  manifest.layers.push_back(random_base36(kLayerIdLength));
  auto fresh = DiskLayer::create(*folder_, {manifest.device_bytes, manifest.layers.back(), below});
  if (!fresh) return fresh.error().within("freeze the disk");
  // When this fails the new manifest may be in place all the same, so the new files stay. Either manifest is
  // right: the new delta is empty, and what is not named is removed by the next open().
  if (auto written = folder_->replace_document(DiskManifest::kFileName, manifest.to_json()); !written)
    return written.error().within("freeze the disk");
  layers_.push_back(std::make_unique<DiskLayer>(std::move(*fresh)));
  manifest_ = std::move(manifest);
  return frozen;
}

Result<void> LayeredDisk::sync_files(const std::filesystem::path& dir) {
  const std::string doing = "sync disk " + dir.string();
  auto folder = open_host_folder_unlocked(dir);
  if (!folder) return folder.error().within(doing);
  auto manifest = DiskManifest::read(**folder);
  if (!manifest) return manifest.error().within(doing);
  // In this order: a map must not say of data that it is there before it is, nor the manifest of a layer.
  std::vector<std::string> names;
  for (const std::string& id : manifest->layers) names.push_back(LayerFiles::data_name(id));
  for (const std::string& id : manifest->layers) names.push_back(LayerFiles::map_name(id));
  names.emplace_back(DiskManifest::kFileName);
  for (const std::string& name : names) {
    auto file = (*folder)->open_file(name, FileAccess::kRead);
    if (!file) return file.error().within(doing);
    if (auto synced = (*file)->sync(); !synced) return synced.error().within(doing);
  }
  const auto entries = open_at(AT_FDCWD, dir.string(), O_RDONLY | O_DIRECTORY);
  if (!entries) return entries.error().within(doing);
  if (::fsync(entries->get()) != 0) return errno_error(doing);
  return {};
}

Result<DiskInfo> LayeredDisk::describe(const std::filesystem::path& dir) {
  const std::string doing = "describe disk " + dir.string();
  auto folder = open_host_folder_unlocked(dir);
  if (!folder) return folder.error().within(doing);
  auto manifest = DiskManifest::read(**folder);
  if (!manifest) return manifest.error().within(doing);
  DiskInfo info;
  info.base_digest = manifest->base_digest;
  info.device_bytes = manifest->device_bytes;
  info.quota_bytes = manifest->quota_bytes;
  info.layers = static_cast<unsigned>(manifest->layers.size());
  info.frozen = manifest->frozen;
  for (const std::string& id : manifest->layers) {
    for (const std::string& name : {LayerFiles::data_name(id), LayerFiles::map_name(id)}) {
      auto file = (*folder)->open_file(name, FileAccess::kRead);
      if (!file) return file.error().within(doing);
      auto size = (*file)->size();
      if (!size) return size.error().within(doing);
      info.used_bytes += size->allocated;
      if (size->links > 1) info.shared_bytes += size->allocated;
    }
  }
  return info;
}

}  // namespace tl::storage
