// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <functional>
#include <string>

#include "common/result.hpp"

namespace tl::storage {

struct FolderEntry {
  std::string path;  // from the folder's root, which itself is ""
  int folder_fd;     // where `name` is; the root is "." in itself
  std::string name;
  struct stat status;  // of a symbolic link itself
};

// Visits a folder of the host and all that is in it, each folder before what it holds, in the order of names.
// No symbolic link is followed, whatever changes meanwhile, and no other file system entered: of a mount
// point the folder is visited, not what is mounted. An error of the visitor ends the walk.
Result<void> walk_folder(int root, const std::function<Result<void>(const FolderEntry&)>& visit);

}  // namespace tl::storage
