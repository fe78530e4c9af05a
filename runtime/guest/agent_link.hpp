// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include <asio/awaitable.hpp>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

// The host's end of the agent link where nobody speaks HTTP/2 on it: before a session and after it.
// PROTOCOL.md tells the whole story. The guest is not trusted: whatever it says, or does not, it has its time
// and no more.
//
// One io_context thread.
namespace tl::guest {

struct HandshakeLimits {
  // All in all. A guest that boots under emulation takes a while until it answers.
  std::chrono::milliseconds total{60'000};
  // The handshake is sent again after this time, then after twice as long, and so on. Only needed when the
  // agent may be in the middle of an old session on the same open port: give a tenth of a second then. A
  // guest that boots, or whose port is opened anew, answers the first one.
  std::chrono::milliseconds retry{5'000};
  // The agent is in the middle of an old session, as in a guest that was restored: what ends that one goes
  // in front of the first handshake.
  enum class OldSession { kNone, kOpen } old_session = OldSession::kNone;
};

// Makes the handshake on a connected stream (a socket), and gives the stream back, ready for a session.
// kFailure when the agent does not answer in time, or the other end is closed.
asio::awaitable<Result<UniqueFd>> open_agent_link(UniqueFd link, HandshakeLimits limits);

// Ends the session that the agent is in, and gives the stream back when it says nothing more, ready for the
// next handshake. kFailure when the other end is closed, or still talks after `limit`.
asio::awaitable<Result<UniqueFd>> leave_agent_link(UniqueFd link, std::chrono::milliseconds limit);

}  // namespace tl::guest
