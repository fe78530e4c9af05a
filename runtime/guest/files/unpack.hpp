// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/result.hpp"
#include "runtime/guest/files/landing.hpp"

namespace tl::guest {

struct Unpacked {
  std::uint64_t bytes = 0;  // of the files' contents, holes included
};

// Takes what pack() wrote from the descriptor, to its end, and makes the tree at the destination; files that
// are there are replaced, each at once and whole, and folders that are there are gone on with as they are.
// Everything belongs to whoever calls. Blocks; memory is bounded.
//
// The archive may be a hostile guest's. Nothing outside of the copy's own file or folder is touched: the
// folder of each entry is opened below the copy's own by openat2(2) with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS
// and RESOLVE_NO_MAGICLINKS, and what is made there never follows a link. A hard link leads to a file of the
// copy. Set-ID and sticky bits are dropped. A device, a socket, a named pipe or a path that is absolute, has
// an empty part, "." or "..", ends the copy; so does a header that takes more than kMaxHeader, which bounds
// the memory that names and lists of holes can take. What a guest may do is to fill the disk and to choose
// names and where symbolic links lead.
//
// kFailure when the archive breaks off: what was whole by then stays. kConflict when something that can not
// be replaced is in the way.
Result<Unpacked> unpack(int fd, const Destination& destination);

// A file's header with everything that tar puts before the contents.
inline constexpr std::size_t kMaxHeader = 8 * 1024 * 1024;

}  // namespace tl::guest
