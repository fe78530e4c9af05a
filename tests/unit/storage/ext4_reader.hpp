// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ext2fs/ext2fs.h>

namespace tl::storage::test {

// Looks into an ext4 image by libext2fs's own reading side. Names that are not there fail the test.
class Ext4Reader {
 public:
  explicit Ext4Reader(const std::filesystem::path& image);
  ~Ext4Reader();
  Ext4Reader(const Ext4Reader&) = delete;
  Ext4Reader& operator=(const Ext4Reader&) = delete;

  [[nodiscard]] ext2_filsys fs() const { return fs_; }
  // Links are not followed.
  [[nodiscard]] std::uint32_t inode_number(const std::string& path) const;
  [[nodiscard]] bool exists(const std::string& path) const;
  [[nodiscard]] ext2_inode_large inode(const std::string& path) const;
  [[nodiscard]] std::string contents(const std::string& path) const;  // of a file, or of a link
  [[nodiscard]] std::string xattr(const std::string& path, const std::string& name) const;
  [[nodiscard]] std::vector<std::string> names(const std::string& path) const;

 private:
  ext2_filsys fs_ = nullptr;
};

// Clean by `e2fsck -fn`; says what it found otherwise. Without e2fsck it warns and says yes: the other checks
// go on.
bool is_clean(const std::filesystem::path& image);

}  // namespace tl::storage::test
