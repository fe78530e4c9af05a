// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/protocol/process_messages.hpp"

namespace tl {

// Asks for a log over a connected control socket and gives it to `take` piece by piece, until that returns
// false, the log has ended, or `signals` is readable (-1: never). Blocks. kNotFound when there is no such
// log, kFailure when the connection broke off before the end. While `take` takes its time nothing more is
// read, and the agent waits.
Result<void> read_log(UniqueFd control, const guest::LogsRequest& request,
                      const std::function<bool(const guest::LogPiece&)>& take, int signals);

}  // namespace tl
