// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "common/result.hpp"
#include "runtime/storage/ext4_reader.hpp"

namespace tl::storage {

// What is met on the way through a file system.
struct Ext4Met {
  const std::string& path;  // from the root, without a slash in front; the root's is empty
  const Ext4Reader::Inode& inode;
  const std::string* first_name = nullptr;  // set: a hard link to the file that was met under this path
};

enum class Ext4Step { kGoOn, kLeaveOut };

// Meets all that is in a file system: folders before what is in them, names in order, so that two walks of
// one are alike. What `visit` leaves out is not gone into, nor remembered as another name's first. Links are
// not followed. Depth and length of paths are those of Ext4Tree; a folder that is in two places, or in
// itself, is kFailure. The first error ends the walk.
Result<void> walk_ext4(Ext4Reader& reader, const std::function<Result<Ext4Step>(const Ext4Met&)>& visit);

}  // namespace tl::storage
