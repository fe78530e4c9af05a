// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include <asio/awaitable.hpp>

#include "common/result.hpp"
#include "runtime/guest/agent_client.hpp"
#include "runtime/guest/protocol/messages.hpp"

namespace tl::monitor {

// Runs a command of the monitor's own, an encoded ExecRequest whose output nobody wants, and waits for its
// end; of a detached one, until it has started. What the agent says of one that did not start is a value; the
// error is that of an agent that breaks off or takes longer than `limit`.
asio::awaitable<Result<std::optional<guest::ExecFailure>>> run_in_guest(guest::AgentClient& agent,
                                                                        std::vector<std::byte> request,
                                                                        std::chrono::milliseconds limit);

}  // namespace tl::monitor
