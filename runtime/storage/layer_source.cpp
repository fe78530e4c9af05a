// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/layer_source.hpp"

#include <algorithm>

namespace tl::storage {

Result<LayerSource> LayerSource::find(std::span<const std::unique_ptr<DiskLayer>> layers,
                                      std::uint64_t base_clusters, std::uint64_t first, std::uint64_t limit) {
  for (std::size_t i = layers.size(); i-- > 0;) {
    auto run = layers[i]->run(first, limit);
    if (!run) return run.error();
    limit = run->length;
    if (run->state == ClusterState::kPresent) return LayerSource{layers[i].get(), false, limit};
    if (run->state != ClusterState::kAbsent) return LayerSource{nullptr, false, limit};
  }
  if (first >= base_clusters) return LayerSource{nullptr, false, limit};
  return LayerSource{nullptr, true, std::min(limit, base_clusters - first)};
}

}  // namespace tl::storage
