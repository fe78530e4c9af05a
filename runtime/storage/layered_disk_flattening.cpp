// SPDX-License-Identifier: Apache-2.0
// How the frozen layers of a LayeredDisk become one; the work itself is in flattening.cpp.
#include <algorithm>
#include <utility>

#include "runtime/storage/layered_disk.hpp"

namespace tl::storage {

Result<std::unique_ptr<Flattening>> LayeredDisk::plan_flattening() {
  auto planned = Flattening::plan(*folder_, manifest_);
  if (!planned) return planned.error().within("merge the disk's layers");
  return planned;
}

Result<void> LayeredDisk::install(std::unique_ptr<Flattening> flattening) {
  const std::string doing = "merge the disk's layers";
  const std::vector<std::string>& merged = flattening->merged();
  const bool are_there = merged.size() <= manifest_.frozen_layers() &&
                         std::equal(merged.begin(), merged.end(), manifest_.layers.begin());
  auto layer = are_there ? flattening->take()
                         : Error{ErrorCode::kConflict, "its layers are not the ones that were merged", ""};
  Result<void> ready = layer ? layer->sync() : layer.error();
  if (!ready) {
    LayerFiles::remove(*folder_, flattening->id());
    return ready.error().within(doing);
  }
  DiskManifest manifest = manifest_;
  manifest.bottom_stands_for = merged.back();
  manifest.layers.erase(manifest.layers.begin(),
                        manifest.layers.begin() + static_cast<std::ptrdiff_t>(merged.size()));
  manifest.layers.insert(manifest.layers.begin(), flattening->id());
  // When this fails either manifest may be in place, so all files stay. Both are right, and what is not named
  // is removed by the next open().
  if (auto written = folder_->replace_document(DiskManifest::kFileName, manifest.to_json()); !written)
    return written.error().within(doing);

  manifest_ = std::move(manifest);
  layers_.erase(layers_.begin() + 1, layers_.begin() + static_cast<std::ptrdiff_t>(merged.size()));
  layers_.front() = std::make_unique<DiskLayer>(*std::move(layer));
  held_clusters_ = count_held();
  for (const std::string& id : merged) LayerFiles::remove(*folder_, id);
  return {};
}

Result<void> LayeredDisk::flatten() {
  if (manifest_.frozen_layers() < 2) return {};
  auto flattening = plan_flattening();
  if (!flattening) return flattening.error();
  const auto merged = (*flattening)->merge();
  const auto installed = install(*std::move(flattening));
  return merged ? installed : merged;
}

}  // namespace tl::storage
