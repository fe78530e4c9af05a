// SPDX-License-Identifier: Apache-2.0
#include "common/result.hpp"

#include <cerrno>
#include <system_error>

namespace tl {

Error errno_error(int number, std::string_view what) {
  const bool no_space = number == ENOSPC || number == EDQUOT;
  return Error{no_space ? ErrorCode::kHostLacks : ErrorCode::kFailure,
               std::string(what) + ": " + std::generic_category().message(number),
               no_space ? "free some disk space and try again" : ""};
}

Error errno_error(std::string_view what) {
  return errno_error(errno, what);
}

}  // namespace tl
