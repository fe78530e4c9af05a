// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "runtime/build/build_context.hpp"
#include "runtime/build/guest.hpp"

namespace tl::build {

// Something of a context and where it goes in an archive: a folder's contents to the top, anything else to
// `name`.
struct Placed {
  BuildContext::Source source;
  std::string name;
};

struct Archived {
  std::uint64_t left_out = 0;       // devices, sockets and named pipes
  std::string first_left_out = {};  // path
  bool complete = true;             // false: nobody reads the archive any more
};

// Writes a tar archive (pax) to the descriptor: permissions, or `mode` for all but links, modification times
// in nanoseconds, links as they are; everything belongs to the owner. What is left out of the context is not
// in it, nor are folders that have nothing else. Blocks; memory is bounded but for the names of the folders
// on the way.
Result<Archived> archive_context(const BuildContext& context, const std::vector<Placed>& placed,
                                 const Owner& owner, std::optional<mode_t> mode, int fd);

}  // namespace tl::build
