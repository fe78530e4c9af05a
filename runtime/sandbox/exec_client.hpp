// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstdint>
#include <functional>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/protocol/messages.hpp"
#include "runtime/sandbox/info.hpp"

namespace tl {

// Where what a program inside prints goes: to a descriptor, or into a string, of which only the first
// kMaxText bytes are kept.
struct ExecSink {
  static constexpr std::size_t kMaxText = 4096;
  int fd = -1;
  std::string* text = nullptr;
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
};

// Runs one command over a connected control socket and moves bytes until it has ended. Blocks. Leaves the
// descriptors' flags as they are, because other processes share them. The errors are those of Runtime::exec.
Result<ExecOutcome> run_exec(UniqueFd control, const guest::ExecRequest& request, const ExecStreams& streams);

// The same for one end of a copy.
Result<ExecOutcome> run_files(UniqueFd control, const guest::FilesRequest& request,
                              const ExecStreams& streams);

}  // namespace tl
