// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl {

enum class AfterAnswer {
  kReturn,
  // Until the monitor has closed the connection, that is, until it has ended; unless its answer is that it
  // will not (monitor::kRefusedStatus).
  kWaitForEnd,
};

// One request without a body to a monitor over a connected control socket; the answer's body, at most 64 KiB.
// Blocks for at most `limit`; kFailure when the monitor went away, refused, or took longer.
Result<std::string> ask_monitor(UniqueFd control, const std::string& method, const std::string& path,
                                AfterAnswer after, std::chrono::milliseconds limit);

}  // namespace tl
