// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.hpp"
#include "runtime/storage/ext4_tree.hpp"
#include "runtime/storage/ext4_volume.hpp"

namespace tl::storage {

// Gives every node of the tree an inode and writes inodes, directories, symbolic links and extended
// attributes. Once for a volume; the file data are there already. kOutOfRange when inodes or blocks run out.
Result<void> write_tree(Ext4Volume& volume, Ext4Tree& tree);

}  // namespace tl::storage
