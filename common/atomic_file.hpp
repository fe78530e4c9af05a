// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace tl {

// Whether a power failure right after replace_file() may undo it; a killed process undoes nothing.
enum class Durability {
  kSynced,  // it may not: the new contents are on disk, under their name
  kLazy,    // it may, or leave an empty file; for what can be made anew or is worth nothing by then
};

// Replaces or creates `name` in the folder `dir_fd`: temp file, fsync, rename, fsync of the folder. After a
// crash the old or the new contents are there, never a mixture. `name` has no slash. Mode 0600.
// Temp files are called ".<name>.<random>.tmp"; one left by a crash may be removed by anyone.
Result<void> replace_file(int dir_fd, const std::string& name, std::string_view contents,
                          Durability durability = Durability::kSynced);

}  // namespace tl
