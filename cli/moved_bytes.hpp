// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "cli/terminal.hpp"

namespace tl::cli {

// Shows on the line how many bytes have been moved, "120.0 MiB, 35.0 MiB/s", a few times a second however
// often it is told. The line outlives it.
std::function<void(std::uint64_t bytes)> show_moved(ProgressLine& line);

}  // namespace tl::cli
