// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/unique_fd.hpp"

namespace tl {

// Some bytes that an open file has. Without a file it is nothing at all.
struct FilePart {
  UniqueFd file;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

}  // namespace tl
