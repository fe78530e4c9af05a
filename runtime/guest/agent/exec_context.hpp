// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <variant>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "common/http2/stream.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/agent/control_groups.hpp"
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
};

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

// The last frame to a client whose command did not start. The head of the response has been sent.
asio::awaitable<void> send_failure(std::shared_ptr<http2::Stream> stream, ExecFailure failure);

}  // namespace tl::guest
