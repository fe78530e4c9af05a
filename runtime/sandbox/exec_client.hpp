// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/protocol/frame.hpp"
#include "runtime/sandbox/info.hpp"
#include "runtime/sandbox/local_terminal.hpp"

namespace tl {

// What is asked of the agent, on one of the paths that answer with frames.
struct ExecStart {
  const char* path;
  guest::FrameKind kind;  // of the first frame
  std::vector<std::byte> message;
};

struct ExecStreams {
  bool forward_stdin = false;  // descriptor 0 goes to the command; else its stdin is empty
  int signals = -1;            // see ExecOptions::signals
  // The user's, which goes into raw mode when the command has started. Signals then end us and not the
  // command.
  LocalTerminal* terminal = nullptr;
};

// Carries out one exchange over a connected control socket and moves this process's descriptors 0, 1 and 2
// until the command has ended. Blocks. Leaves the descriptors' flags as they are, because other processes
// share them. The errors are those of Runtime::exec. `started` gets the number of the command's process, or
// of its session, as soon as that is known.
Result<ExecOutcome> run_exec(UniqueFd control, const ExecStart& start, const ExecStreams& streams,
                             std::optional<std::int64_t>& started);

}  // namespace tl
