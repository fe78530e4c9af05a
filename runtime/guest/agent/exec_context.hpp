// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <variant>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "common/http2/stream.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/agent/control_groups.hpp"
#include "runtime/guest/agent/process_table.hpp"
#include "runtime/guest/agent/reaper.hpp"
#include "runtime/guest/agent/spawn.hpp"
#include "runtime/guest/agent/start_gate.hpp"
#include "runtime/guest/agent/users.hpp"
#include "runtime/guest/protocol/frame.hpp"
#include "runtime/guest/protocol/messages.hpp"

// What executions share, those with pipes (exec.hpp) and those with a terminal (terminal_session.hpp).
namespace tl::guest {

// One io_context thread; outlives all executions.
struct ExecContext {
  asio::any_io_executor executor;
  Reaper& reaper;
  ControlGroups& groups;
  StartGate& gate;
  UserTable users;
  Spawner spawner;
  UniqueFd own_program;                               // the agent's, which also moves files (files.hpp)
  UniqueFd no_input;                                  // /dev/null, for commands without a stdin stream
  std::array<std::byte, kMaxFramePayload> scratch{};  // for use between two suspensions
  ProcessTable table{};
  // Whether the kernel killed it for want of memory. For a process that has ended by SIGKILL.
  std::function<bool(pid_t)> killed_for_memory = [](pid_t) { return false; };
  std::function<void()> process_ended = [] {};  // told when the table says so
};

// By the guest's wall clock, since the epoch.
std::chrono::nanoseconds wall_clock();

// Puts a process that was started, and its end, into the table.
ProcessTable::Id list_started(ExecContext& context, pid_t pid, const ExecRequest& request);
void list_ended(ExecContext& context, ProcessTable::Id id, const ExecExit& exit);

// Starts what was asked for on these descriptors; the number of its process, or why it did not start. To be
// called with the gate open, and its end to be watched in the same turn of the loop.
struct CommandFiles {
  int in = -1, out = -1, err = -1;
  ControllingTerminal terminal = ControllingTerminal::kNone;
  int program = -1;  // what is run, instead of what argv[0] names
};
std::variant<pid_t, ExecFailure> start_command(ExecContext& context, const ExecRequest& request, User user,
                                               const CommandFiles& files);

// What a wait status is to the client. The end of a command that ran into its time limit is told apart.
enum class TimeLimit { kKept, kExceeded };
ExecExit exit_of(int wait_status, TimeLimit limit);

// A pipe, or an error. Our end is made non-blocking, the command's is not: it may be a program that cannot
// cope.
struct Pipe {
  UniqueFd read_end, write_end;
};
enum class Ours { kReadEnd, kWriteEnd };
Result<Pipe> make_pipe(Ours ours);

// The last frame to a client whose command did not start. The head of the response has been sent.
asio::awaitable<void> send_failure(std::shared_ptr<http2::Stream> stream, ExecFailure failure);

}  // namespace tl::guest
