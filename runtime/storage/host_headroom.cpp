// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/host_headroom.hpp"

namespace tl::storage {
namespace {

constexpr std::uint64_t kShare = 16;  // of what is free that is granted at once: others take, too

}  // namespace

bool HostHeadroom::allows(DiskLayer& layer, std::uint64_t bytes) {
  if (bytes > granted_) {
    const auto free = layer.free_space();
    if (!free) return true;
    if (*free < kBytes || *free - kBytes < bytes) return false;
    granted_ = bytes + (*free - kBytes - bytes) / kShare;
  }
  granted_ -= bytes;
  return true;
}

}  // namespace tl::storage
