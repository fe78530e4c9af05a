// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/protocol/messages.hpp"
#include "runtime/sandbox/info.hpp"

namespace tl {

struct ExecStreams {
  bool forward_stdin = false;  // descriptor 0 goes to the command; else its stdin is empty
  int signals = -1;            // see ExecOptions::signals
};

// Runs one command over a connected control socket and moves this process's descriptors 0, 1 and 2 until it
// has ended. Blocks. Leaves the descriptors' flags as they are, because other processes share them. The
// errors are those of Runtime::exec.
Result<ExecOutcome> run_exec(UniqueFd control, const guest::ExecRequest& request, const ExecStreams& streams);

}  // namespace tl
