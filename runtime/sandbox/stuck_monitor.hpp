// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl {

// Kills the monitor at the other end of a control socket that does not answer any more (stopped, or lost in a
// fault of ours), and waits until it is gone; its machine dies with it. Only a process that says on its
// command line that it is the monitor of `sandbox` (an ID) is killed: process IDs are used again. kFailure
// when there is none, or it does not go.
Result<void> kill_stuck_monitor(const UniqueFd& control, const std::string& sandbox);

}  // namespace tl
