// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include <asio/awaitable.hpp>

#include "common/result.hpp"
#include "runtime/guest/agent_client.hpp"

namespace tl::monitor {

// Runs the smallest command there is and waits for its end, so that a guest that is kept as a template has in
// its page cache what the first command of every sandbox needs: the users, a shell, the dynamic linker and
// the C library. An image without them stays cold, which is no error; one whose agent breaks off is.
asio::awaitable<Result<void>> warm_up(guest::AgentClient& agent, std::chrono::milliseconds limit);

}  // namespace tl::monitor
