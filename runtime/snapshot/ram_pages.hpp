// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/result.hpp"
#include "runtime/snapshot/page_set.hpp"

namespace tl::snapshot {

// What the host knows of a guest's RAM without looking at its contents. The two sets are disjoint; the rest
// is as it was when it was mapped, that is, as the image says.
struct RamPages {
  PageSet written;  // may have been written to
  PageSet zero;     // nothing is allocated for them: they read as zeroes
};

// For private mappings of this process, of files (MemoryImage::map_private) and of nothing, in any mixture.
// Written is what has a page of its own, in memory or in swap; a page that was given back is as the file
// again, or zero where there is no file. Takes no privileges, faults nothing in. The guest stands still
// meanwhile. `ram` begins at a page's border.
Result<RamPages> dirty_pages(std::span<const std::byte> ram);

// What of the same mappings is in the host's page tables: it was touched, or is beside what was touched in a
// file. As soon as the guest runs on there may be more.
Result<PageSet> present_pages(std::span<const std::byte> ram);

// For RAM that is a memfd of `ram_bytes`, whoever maps it: what is allocated, and all the rest as zero.
Result<RamPages> allocated_pages(int memfd, std::uint64_t ram_bytes);

}  // namespace tl::snapshot
