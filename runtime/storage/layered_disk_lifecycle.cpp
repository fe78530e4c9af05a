// SPDX-License-Identifier: Apache-2.0
// How a LayeredDisk is made, opened, frozen and described; reading and writing are in layered_disk.cpp.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/io.hpp"
#include "common/random.hpp"
#include "runtime/storage/layered_disk.hpp"

namespace tl::storage {
namespace {

Result<std::unique_ptr<DiskFile>> open_base(const std::filesystem::path& path) {
  auto fd = open_at(AT_FDCWD, path.string(), O_RDONLY | O_NONBLOCK);
  if (!fd) return fd.error();
  struct stat status {};
  if (::fstat(fd->get(), &status) != 0) return errno_error("stat " + path.string());
  if (!S_ISREG(status.st_mode)) return Error{ErrorCode::kFailure, path.string() + " is not a file", ""};
  return make_host_file(std::move(*fd), path.string());
}

Result<DiskManifest> read_manifest(DiskFolder& folder) {
  auto text = folder.read_document(DiskManifest::kFileName, DiskManifest::kMaxBytes);
  if (!text) return text.error();
  return DiskManifest::from_json(*text);
}

bool belongs_to_disks(const std::string& name) {
  const std::string temp_prefix = "." + std::string(DiskManifest::kFileName) + ".";
  return name.rfind("delta-", 0) == 0 || name.rfind(temp_prefix, 0) == 0;
}

// Files of a create or freeze that did not come to its end. Failing to remove one costs space, nothing else.
void remove_leftovers(DiskFolder& folder, const std::vector<std::string>& layers) {
  auto names = folder.file_names();
  if (!names) return;
  for (const std::string& name : *names) {
    const bool kept = std::any_of(layers.begin(), layers.end(), [&](const std::string& id) {
      return name == DiskLayer::data_name(id) || name == DiskLayer::map_name(id);
    });
    if (!kept && belongs_to_disks(name)) [[maybe_unused]]
      auto ignored = folder.remove_file(name);
  }
}

void remove_layer_files(DiskFolder& folder, const std::string& id) {
  [[maybe_unused]] auto ignored = folder.remove_file(DiskLayer::data_name(id));
  ignored = folder.remove_file(DiskLayer::map_name(id));
}

Error half_made(const Error& why) {
  if (why.code != ErrorCode::kNotFound) return why;
  return Error{ErrorCode::kFailure, "half-made disk: " + why.message, ""};
}

}  // namespace

Result<std::unique_ptr<LayeredDisk>> LayeredDisk::create(const std::filesystem::path& dir,
                                                         const DiskSpec& spec) {
  const std::string doing = "create disk " + dir.string();
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) return errno_error(doing);
  const auto syncs = std::make_shared<SyncSwitch>(spec.durability == Durability::kSynced);
  auto folder = open_host_folder(dir, syncs);
  if (!folder) return folder.error().within(doing);
  auto disk = create(std::move(*folder), spec);
  if (!disk) return disk.error().within(doing);
  (*disk)->syncs_ = syncs;
  return disk;
}

Result<std::unique_ptr<LayeredDisk>> LayeredDisk::create(std::unique_ptr<DiskFolder> folder,
                                                         const DiskSpec& spec) {
  auto existing = folder->read_document(DiskManifest::kFileName, DiskManifest::kMaxBytes);
  if (existing) return Error{ErrorCode::kConflict, "there is a disk already", ""};
  if (existing.error().code != ErrorCode::kNotFound) return existing.error();
  auto base = open_base(spec.base.path);
  if (!base) return base.error();
  auto base_size = (*base)->size();
  if (!base_size) return base_size.error();

  DiskManifest manifest{spec.device_bytes,
                        spec.quota_bytes,
                        spec.base.digest,
                        base_size->bytes,
                        {random_base36(kLayerIdLength)}};
  if (auto sound = manifest.check(); !sound) return sound.error();
  remove_leftovers(*folder, {});
  const std::string& id = manifest.layers.front();
  auto delta = DiskLayer::create(*folder, {manifest.device_bytes, id, ""});
  if (!delta) return delta.error();
  if (auto written = folder->replace_document(DiskManifest::kFileName, manifest.to_json()); !written) {
    [[maybe_unused]] auto ignored =
        folder->remove_file(DiskManifest::kFileName);  // it may be there all the same
    remove_layer_files(*folder, id);
    return written.error();
  }
  std::vector<std::unique_ptr<DiskLayer>> layers;
  layers.push_back(std::make_unique<DiskLayer>(std::move(*delta)));
  return std::unique_ptr<LayeredDisk>(
      new LayeredDisk(std::move(folder), std::move(*base), std::move(manifest), std::move(layers)));
}

Result<std::unique_ptr<LayeredDisk>> LayeredDisk::open(const std::filesystem::path& dir,
                                                       const DiskBase& base) {
  const std::string doing = "open disk " + dir.string();
  auto folder = open_host_folder(dir);
  if (!folder) return folder.error().within(doing);
  auto disk = open(std::move(*folder), base);
  if (!disk) return disk.error().within(doing);
  return disk;
}

Result<std::unique_ptr<LayeredDisk>> LayeredDisk::open(std::unique_ptr<DiskFolder> folder,
                                                       const DiskBase& base) {
  auto manifest = read_manifest(*folder);
  if (!manifest) return half_made(manifest.error());
  if (manifest->base_digest != base.digest)
    return Error{ErrorCode::kConflict,
                 "the disk was made for image " + manifest->base_digest + ", not " + base.digest, ""};
  auto base_file = open_base(base.path);
  if (!base_file) return base_file.error();
  auto base_size = (*base_file)->size();
  if (!base_size) return base_size.error();
  if (base_size->bytes != manifest->base_bytes)
    return Error{ErrorCode::kFailure, "image " + base.path.string() + " has not the size it had", ""};

  std::vector<std::unique_ptr<DiskLayer>> layers;
  std::string parent;
  for (const std::string& id : manifest->layers) {
    const bool writable = id == manifest->layers.back();
    auto layer = DiskLayer::open(*folder, {manifest->device_bytes, id, parent},
                                 writable ? FileAccess::kReadWrite : FileAccess::kRead);
    if (!layer) return layer.error();
    layers.push_back(std::make_unique<DiskLayer>(std::move(*layer)));
    parent = id;
  }
  remove_leftovers(*folder, manifest->layers);
  return std::unique_ptr<LayeredDisk>(
      new LayeredDisk(std::move(folder), std::move(*base_file), std::move(*manifest), std::move(layers)));
}

Result<std::string> LayeredDisk::freeze() {
  if (layers_.size() >= DiskManifest::kMaxLayers)
    return Error{ErrorCode::kOutOfRange, "freeze the disk: it has as many layers as it may have", ""};
  if (auto flushed = flush(); !flushed) return flushed.error().within("freeze the disk");
  const std::string frozen = delta().id();
  DiskManifest manifest = manifest_;
  manifest.layers.push_back(random_base36(kLayerIdLength));
  auto fresh = DiskLayer::create(*folder_, {manifest.device_bytes, manifest.layers.back(), frozen});
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
  auto manifest = read_manifest(**folder);
  if (!manifest) return half_made(manifest.error()).within(doing);
  // In this order: a map must not say of data that it is there before it is, nor the manifest of a layer.
  std::vector<std::string> names;
  for (const std::string& id : manifest->layers) names.push_back(DiskLayer::data_name(id));
  for (const std::string& id : manifest->layers) names.push_back(DiskLayer::map_name(id));
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
  auto manifest = read_manifest(**folder);
  if (!manifest) return half_made(manifest.error()).within(doing);
  DiskInfo info{manifest->base_digest, manifest->device_bytes, manifest->quota_bytes, 0,
                static_cast<unsigned>(manifest->layers.size())};
  for (const std::string& id : manifest->layers) {
    for (const std::string& name : {DiskLayer::data_name(id), DiskLayer::map_name(id)}) {
      auto file = (*folder)->open_file(name, FileAccess::kRead);
      if (!file) return file.error().within(doing);
      auto size = (*file)->size();
      if (!size) return size.error().within(doing);
      info.used_bytes += size->allocated;
    }
  }
  return info;
}

}  // namespace tl::storage
