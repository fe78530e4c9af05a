// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::snapshot {

struct RegularFile {
  UniqueFd fd;
  std::uint64_t bytes = 0;  // its length
};

// The one door to files of a snapshot's or a sandbox's folder, which may hold anything: links, FIFOs and
// devices are refused, and nothing is waited for. kNotFound when there is none; errors name the file.
Result<RegularFile> open_regular_file(int folder, const char* name, int flags);

// Makes the contents of a file durable that may have been written by somebody else.
Result<void> sync_regular_file(int folder, const char* name);

}  // namespace tl::snapshot
