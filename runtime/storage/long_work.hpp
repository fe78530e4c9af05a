// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "common/result.hpp"

namespace tl::storage {

// Who looks on while much is read and written. Both may be empty.
struct LongWork {
  std::function<void(std::uint64_t bytes)> moved;  // how many so far, in all; told often
  std::function<bool()> cancelled;                 // asked between pieces of at most a few MiB

  void tell(std::uint64_t bytes) const {
    if (moved) moved(bytes);
  }
  // An error when it is to be given up.
  [[nodiscard]] Result<void> check() const {
    if (!cancelled || !cancelled()) return {};
    return Error{ErrorCode::kFailure, "interrupted", ""};
  }
};

}  // namespace tl::storage
