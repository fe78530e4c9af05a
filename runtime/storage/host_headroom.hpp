// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "runtime/storage/disk_layer.hpp"

namespace tl::storage {

// Keeps the last of the host's space for what a guest's file system cannot do without: one whose journal or
// metadata cannot be written is of no use any more, also for reading, until it is mounted again. Others on
// the host may take that space all the same.
class HostHeadroom {
 public:
  static constexpr std::uint64_t kBytes = std::uint64_t{16} << 20;

  // Whether `bytes` more may be written to the layer with that much left behind. Asks the host only from time
  // to time, more often the less there is.
  bool allows(DiskLayer& layer, std::uint64_t bytes);

 private:
  std::uint64_t granted_ = 0;  // may be taken before the host is asked again
};

}  // namespace tl::storage
