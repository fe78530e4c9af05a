// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_error.hpp"

#include <mutex>

#include <et/com_err.h>
#include <fmt/format.h>

namespace tl::storage {

Error ext4_error(errcode_t code, std::string_view what) {
  constexpr errcode_t kFirstCodeOfALibrary = 256;  // below are errno values
  if (code > 0 && code < kFirstCodeOfALibrary) return errno_error(static_cast<int>(code), what);
  if (code == EXT2_ET_BLOCK_ALLOC_FAIL || code == EXT2_ET_INODE_ALLOC_FAIL) {
    return Error{ErrorCode::kOutOfRange, fmt::format("{}: the contents do not fit on the disk", what),
                 "ask for a larger disk with --disk_mb"};
  }
  if (code == EXT2_ET_EA_NO_SPACE) {
    return Error{ErrorCode::kOutOfRange, fmt::format("{}: more extended attributes than ext4 holds", what),
                 ""};
  }
  static std::once_flag messages;  // the library keeps its list of messages in a global
  std::call_once(messages, [] { initialize_ext2_error_table(); });
  return Error{ErrorCode::kFailure, fmt::format("{}: {}", what, error_message(code)), ""};
}

}  // namespace tl::storage
