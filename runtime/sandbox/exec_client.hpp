// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/protocol/frame.hpp"
#include "runtime/sandbox/exec_output.hpp"
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
  int in = -1;  // this descriptor goes to the program; -1: its stdin is empty
  ExecSink out{STDOUT_FILENO};
  ExecSink err{STDERR_FILENO};
  int signals = -1;  // see ExecOptions::signals
  // What a signal does: it goes to the program's process group, or ends the exchange (kFailure).
  enum class OnSignal { kPass, kHangUp } on_signal = OnSignal::kPass;
  // Told now and then how many bytes of stdin and stdout have been moved. May be empty.
  std::function<void(std::uint64_t bytes)> moved = {};
  // The user's, which goes into raw mode when the command has started; `in` is not looked at then. Signals
  // end us and not the command.
  LocalTerminal* terminal = nullptr;
  // What ends the exchange: the program's end, or its start, for one that goes on without us.
  enum class Until { kEnd, kStart } until = Until::kEnd;
};

// Carries out one exchange over a connected control socket and moves bytes until the program has ended.
// Blocks. Leaves the descriptors' flags as they are, because other processes share them. The errors are those
// of Runtime::exec. `started` gets the number of the command's process, or of its session, as soon as that is
// known.
Result<ExecOutcome> run_exec(UniqueFd control, const ExecStart& start, const ExecStreams& streams,
                             std::optional<std::int64_t>& started);

// The same for one end of a copy.
Result<ExecOutcome> run_files(UniqueFd control, const guest::FilesRequest& request,
                              const ExecStreams& streams);

}  // namespace tl
