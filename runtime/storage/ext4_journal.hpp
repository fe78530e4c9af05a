// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "runtime/storage/disk_file.hpp"

namespace tl::storage {

// Where on its disk an ext4 file system has its journal, as the copy of the journal's inode in the superblock
// says (s_jnl_blocks): up to four ranges. None when `beginning`, of Ext4Condition::kBytes, is not that of
// an ext4 file system, or of one that does not say. The numbers are what it claims.
std::vector<DiskFile::Extent> ext4_journal(std::span<const std::byte> beginning);

}  // namespace tl::storage
