// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl {

enum class AfterAnswer {
  kReturn,
  // Until the monitor has closed the connection, that is, until it has ended; unless its answer is that it
  // will not (monitor::kRefusedStatus).
  kWaitForEnd,
};

struct MonitorRequest {
  std::string method, path;
  std::vector<std::byte> body = {};  // at most 64 KiB
};

// One request to a monitor, or by way of it to the agent, over a connected control socket; the answer's body,
// at most 256 KiB. Blocks for at most `limit`; kFailure when the monitor went away, refused, or took longer,
// kNotFound when that is the answer.
Result<std::string> ask_monitor(UniqueFd control, const MonitorRequest& request, AfterAnswer after,
                                std::chrono::milliseconds limit);

}  // namespace tl
