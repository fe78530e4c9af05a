// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl {

// The RAM of a guest whose machine is another process, which maps it: a memfd "tl-guest" of exactly `bytes`
// (a multiple of 4096, more than 0) that reads as zeroes, takes host memory page by page as it is written,
// and keeps its size for good, so that no mapping of it can lose its end. Close-on-exec.
Result<UniqueFd> make_guest_memory_file(std::uint64_t bytes);

}  // namespace tl
