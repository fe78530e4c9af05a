// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <ext2fs/ext2fs.h>

#include "common/result.hpp"

namespace tl::storage {

struct Ext4DirectoryEntry {
  std::string_view name;
  std::uint32_t inode;
  std::uint8_t type;  // EXT2_FT_*
};

struct Ext4DirectoryBlocks {
  std::vector<std::byte> bytes;  // whole blocks, with their checksums
  bool indexed;                  // EXT2_INDEX_FL belongs on the inode
};

// The blocks of the directory with the inode `self`. One block when the entries fit, else a hash tree as the
// kernel makes it, so that looking up a name stays fast however many there are. `entries` are without "." and
// "..". At least `min_blocks` blocks, of which those without entries are empty (only without an index:
// lost+found).
Result<Ext4DirectoryBlocks> pack_directory(ext2_filsys fs, std::uint32_t self, std::uint32_t parent,
                                           const std::vector<Ext4DirectoryEntry>& entries,
                                           std::size_t min_blocks = 1);

}  // namespace tl::storage
