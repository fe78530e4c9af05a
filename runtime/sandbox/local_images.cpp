// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "common/data_folders.hpp"
#include "runtime/sandbox/image_info.hpp"
#include "runtime/sandbox/limits.hpp"
#include "runtime/sandbox/liveness.hpp"
#include "runtime/sandbox/local_runtime.hpp"
#include "runtime/sandbox/stop_request.hpp"
#include "runtime/storage/image_import.hpp"
#include "runtime/storage/image_store.hpp"

// LocalRuntime: what it does with images.
namespace tl {
namespace {

using registry::SandboxRecord;

ImageDetails details_of(const storage::Image& image) {
  const storage::ImageManifest& manifest = image.manifest;
  return {.image = info_of(image),
          .source_digest = manifest.source_digest,
          .architecture = manifest.architecture,
          .used_bytes = manifest.used_bytes,
          .disk_mb = manifest.disk_mib,
          .env = manifest.config.env,
          .working_dir = manifest.config.working_dir,
          .user = manifest.config.user,
          .entrypoint = manifest.config.entrypoint,
          .cmd = manifest.config.cmd,
          .sandboxes = {},
          .snapshots = {}};
}

}  // namespace

Result<std::vector<ImageInfo>> LocalRuntime::images() {
  const auto store = storage::ImageStore::open(registry_.folder().path(), data_folders());
  if (!store) return store.error();
  const auto listed = store->list();
  if (!listed) return listed.error();
  std::vector<ImageInfo> images;
  for (const auto& image : listed->images) images.push_back(info_of(image));
  return images;
}

Result<storage::ImageConfig> LocalRuntime::image_config(const std::string& image) {
  const auto store = storage::ImageStore::open(registry_.folder().path(), data_folders());
  if (!store) return store.error();
  const auto found = store->find(image);
  if (!found) return found.error();
  return found->manifest.config;
}

Result<ImageDetails> LocalRuntime::import_image(const ImportRequest& request, const Progress& progress) {
  const std::uint32_t disk_mb = request.disk_mb.value_or(kMinDiskMb);
  if (auto valid = check_disk_mb(disk_mb); !valid) return valid.error();
  auto store = storage::ImageStore::open(registry_.folder().path(), data_folders());
  if (!store) return store.error();
  storage::ImageImport import{.reference = request.reference,
                              .name = request.name,
                              .disk_mib = disk_mb,
                              .trust = request.trust == RegistryTrust::kAny
                                           ? storage::oci::RegistryTrust::kAny
                                           : storage::oci::RegistryTrust::kVerified};
  if (progress) import.watch.progress = [&progress](const std::string& line) { progress(line);
};
import.watch.cancelled = [fd = request.signals] { return is_asked_to_stop(fd);
};  // namespace tl
const auto image = storage::import_image(*store, import);
if (!image) return image.error();
return details_of(*image);
}

Result<LocalRuntime::ImageUsers> LocalRuntime::users_of_image(const std::string& digest) {
  ImageUsers users;
  const auto listing = registry_.list(registry::ListFilter::kNotTerminated);
  if (!listing) return listing.error();
  for (const SandboxRecord& record : listing->records) {
    if (record.image_digest == digest) users.sandboxes.push_back(handle(record));
  }
  const auto store = snapshots();
  if (!store) return store.error();
  const auto snapshots = store->list();
  if (!snapshots) return snapshots.error();
  for (const auto& snapshot : snapshots->snapshots) {
    if (snapshot.image_digest == digest)
      users.snapshots.push_back(snapshot.name ? *snapshot.name : snapshot.snapshot_id);
  }
  return users;
}

Result<ImageDetails> LocalRuntime::describe_image(const std::string& name) {
  const auto store = storage::ImageStore::open(registry_.folder().path(), data_folders());
  if (!store) return store.error();
  const auto image = store->find(name);
  if (!image) return image.error();
  auto users = users_of_image(image->manifest.digest);
  if (!users) return users.error();
  ImageDetails details = details_of(*image);
  details.sandboxes = std::move(users->sandboxes);
  details.snapshots = std::move(users->snapshots);
  return details;
}

Result<void> LocalRuntime::remove_image(const std::string& name) {
  auto store = storage::ImageStore::open(registry_.folder().path(), data_folders());
  if (!store) return store.error();
  std::optional<Error> used;
  const auto in_use = [this, &name, &used](const std::string& digest) {
    const auto users = users_of_image(digest);
    if (!users) {
      used = users.error();
    } else if (!users->sandboxes.empty()) {
      const auto& sandbox = users->sandboxes.front();
      used = Error{ErrorCode::kConflict,
                   fmt::format("image {} is used by sandbox {}, which was made from it", name, sandbox),
                   fmt::format("terminate that first: `tl sbx terminate {}`", sandbox)};
    } else if (!users->snapshots.empty()) {
      const auto& snapshot = users->snapshots.front();
      used = Error{ErrorCode::kConflict,
                   fmt::format("image {} is used by snapshot {}, which was made from it", name, snapshot),
                   fmt::format("remove that first: `tl sbx checkpoint rm {}`", snapshot)};
    }
    return used.has_value();
  };
  auto removed = store->remove(name, in_use);
  return !removed && used ? *used : removed;
}

Result<void> LocalRuntime::prune_images(Pruned& pruned) {
  auto store = storage::ImageStore::open(registry_.folder().path(), data_folders());
  if (!store) return store.error();
  const auto layers = storage::clear_fetched_layers(*store);
  if (!layers) return layers.error();
  pruned.layers = *layers;
  const auto nameless = store->remove_nameless([this](const std::string& digest) {
    const auto users = users_of_image(digest);
    return !users || !users->sandboxes.empty() || !users->snapshots.empty();
  });
  if (!nameless) return nameless.error();
  const auto swept = store->sweep();
  if (!swept) return swept.error();
  pruned.leftovers += *nameless + *swept;
  return {};
}

}  // namespace tl
