// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::guest {

// Where somebody wants a copy, as typed.
struct Destination {
  std::string path;  // relative to the working directory
  // What the copy is called in a folder that is there already; empty: its contents go into that folder.
  std::string name;
  enum class Parents { kMake, kMustBeThere } parents = Parents::kMustBeThere;
};

// Where it goes.
struct Landing {
  UniqueFd folder;
  std::string name;   // in the folder; empty: the copy is the folder
  std::string shown;  // the whole path, for messages
};

enum class CopyKind { kFile, kFolder };

// The rule of cp(1): into a folder that is there, else under the path itself; a path that ends with a slash
// is to be a folder. Symbolic links in the path are followed, as its owner meant them: nothing of a copy's
// content has a say in it. kNotFound when a folder above is missing, kConflict when something else is there.
Result<Landing> find_landing(const Destination& destination, CopyKind kind);

}  // namespace tl::guest
