// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <ext2fs/ext2fs.h>

#include "common/result.hpp"
#include "runtime/storage/ext4_tree.hpp"

namespace tl::storage {

// Where the blocks of an inode lie, by its extents or its lists of blocks: ascending, on the disk, without
// what was reserved and never written. `blocks_left` is how many may be named yet, blocks of the mapping
// itself included, and becomes what is left: mappings can name one block any number of times. kFailure beyond
// it, and for a mapping that is damaged.
Result<std::vector<Ext4Extent>> map_ext4_inode(ext2_filsys fs, std::uint32_t number, ext2_inode_large& inode,
                                               std::uint64_t& blocks_left);

}  // namespace tl::storage
