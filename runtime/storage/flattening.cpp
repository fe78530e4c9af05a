// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/flattening.hpp"

#include <algorithm>
#include <utility>

#include "common/random.hpp"
#include "runtime/storage/layer_source.hpp"

namespace tl::storage {
namespace {

constexpr std::uint64_t kClustersPerCopy = 256;  // 1 MiB
// Synced in parts, so that a flush of the guest's never waits for gigabytes of this in the host's cache.
constexpr std::uint64_t kClustersPerSync = 64 * kClustersPerCopy;

}  // namespace

Flattening::Flattening(DiskManifest manifest, std::vector<LayerFiles> sources, std::string id,
                       LayerFiles target)
    : manifest_(std::move(manifest)),
      sources_(std::move(sources)),
      id_(std::move(id)),
      target_(std::move(target)) {}

Result<std::unique_ptr<Flattening>> Flattening::plan(DiskFolder& folder, const DiskManifest& manifest) {
  if (manifest.frozen_layers() < 2)
    return Error{ErrorCode::kConflict, "the disk has no frozen layers to merge", ""};
  DiskManifest frozen = manifest;
  frozen.layers.resize(manifest.frozen_layers());
  frozen.frozen = true;
  std::vector<LayerFiles> sources;
  for (const std::string& id : frozen.layers) {
    auto files = LayerFiles::open(folder, id, FileAccess::kRead);
    if (!files) return files.error();
    sources.push_back(*std::move(files));
  }
  std::string id = random_base36(kLayerIdLength);
  auto target = LayerFiles::create(folder, id, manifest.device_bytes);
  if (!target) return target.error();
  return std::unique_ptr<Flattening>(
      new Flattening(std::move(frozen), std::move(sources), std::move(id), *std::move(target)));
}

Result<std::vector<std::unique_ptr<DiskLayer>>> Flattening::open_sources() {
  std::vector<std::unique_ptr<DiskLayer>> layers;
  for (LayerFiles& files : sources_) {
    const std::size_t index = layers.size();
    auto layer = DiskLayer::open(
        std::move(files), {manifest_.device_bytes, manifest_.layers[index], manifest_.parent_of(index)},
        FileAccess::kRead);
    if (!layer) return layer.error();
    layers.push_back(std::make_unique<DiskLayer>(*std::move(layer)));
  }
  return layers;
}

Result<void> Flattening::copy(DiskLayer& from, DiskLayer& to, std::uint64_t first, std::uint64_t count) {
  const auto part = std::span(buffer_).first(count * kClusterBytes);
  const std::uint64_t offset = first * kClusterBytes;
  if (auto read = from.read(offset, part); !read) return read;
  const iovec piece{part.data(), part.size()};
  return to.write(offset, std::span(&piece, 1), first, count);
}

Result<void> Flattening::merge() {
  TL_CHECK(target_.data != nullptr);  // once
  auto layers = open_sources();
  if (!layers) return layers.error();
  auto layer = DiskLayer::create(std::move(target_), {manifest_.device_bytes, id_, ""});
  if (!layer) return layer.error();
  buffer_.resize(kClustersPerCopy * kClusterBytes);

  const std::uint64_t base_clusters = manifest_.base_clusters();
  const std::uint64_t end = manifest_.device_bytes / kClusterBytes;
  std::uint64_t unsynced = 0;
  for (std::uint64_t next = 0; next < end;) {
    if (stopped_) return Error{ErrorCode::kConflict, "merging the layers was stopped", ""};
    auto source = LayerSource::find(*layers, base_clusters, next, end - next);
    if (!source) return source.error();
    Result<void> done;
    if (source->layer != nullptr) {
      source->clusters = std::min(source->clusters, kClustersPerCopy);
      done = copy(*source->layer, *layer, next, source->clusters);
      unsynced += source->clusters;
    } else if (source->is_zero() && next < base_clusters) {
      // Beyond the image nothing is below, and "absent" reads the same.
      source->clusters = std::min(source->clusters, base_clusters - next);
      done = layer->zero(next, source->clusters, ClusterState::kAbsent);
    }
    if (done && unsynced >= kClustersPerSync) {
      done = layer->flush();
      unsynced = 0;
    }
    if (!done) return done;
    next += source->clusters;
  }
  if (auto flushed = layer->flush(); !flushed) return flushed;
  layer_ = *std::move(layer);
  return {};
}

Result<DiskLayer> Flattening::take() {
  if (!layer_) return Error{ErrorCode::kConflict, "the layers have not been merged", ""};
  DiskLayer layer = *std::move(layer_);
  layer_.reset();
  return layer;
}

}  // namespace tl::storage
