// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "common/result.hpp"
#include "runtime/storage/disk_layer.hpp"

namespace tl::storage {

// Where a run of clusters is to be read: in `layer`, else in the base, else nowhere, which means zeroes.
struct LayerSource {
  DiskLayer* layer = nullptr;
  bool in_base = false;
  std::uint64_t clusters = 0;

  [[nodiscard]] bool is_zero() const { return layer == nullptr && !in_base; }
  // Of the same place, however many clusters.
  [[nodiscard]] bool is_beside(const LayerSource& other) const {
    return layer == other.layer && in_base == other.in_base;
  }

  // Looks from the last of `layers`, which are bottom first, downwards. 1 ≤ clusters ≤ limit, and what
  // follows may be from the same place.
  static Result<LayerSource> find(std::span<const std::unique_ptr<DiskLayer>> layers,
                                  std::uint64_t base_clusters, std::uint64_t first, std::uint64_t limit);
};

}  // namespace tl::storage
