// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/result.hpp"
#include "runtime/storage/tar_source.hpp"

namespace tl::storage {

// How many bytes somebody's archives may still unpack to, all together. What keeps a small file from being
// the work of hours is this count, not a clock.
struct UnpackingBudget {
  std::uint64_t left_bytes = 0;
};

// What `source` is without gzip, xz or zstd; the same where it has none of them. `source` is read to its end,
// also past the end of what was compressed. kOutOfRange when that is damaged, or more than the budget, which
// must outlive it.
ByteSource decompressed(ByteSource source, UnpackingBudget& budget);

// Whether it has one of these around it, from its first bytes (six are enough).
bool looks_compressed(std::span<const std::byte> beginning);

}  // namespace tl::storage
