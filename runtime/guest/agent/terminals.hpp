// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <memory>

#include <asio/awaitable.hpp>

#include "common/http2/stream.hpp"
#include "runtime/guest/agent/exec_context.hpp"
#include "runtime/guest/agent/terminal_session.hpp"
#include "runtime/guest/protocol/frame.hpp"
#include "runtime/guest/protocol/messages.hpp"

namespace tl::guest {

// All sessions that have not ended, by number. One io_context thread.
class Terminals {
 public:
  // The context outlives it. `lease`: how long a session goes on without a client.
  Terminals(ExecContext& context, std::chrono::milliseconds lease) : context_(context), lease_(lease) {}

  // Both serve a stream to the end of the session or the client; `frames` has read the request from it, and
  // its response has begun.
  asio::awaitable<void> execute(std::shared_ptr<http2::Stream> stream, FrameReader frames,
                                ExecRequest request);
  asio::awaitable<void> attach(std::shared_ptr<http2::Stream> stream, FrameReader frames,
                               AttachRequest request);

  [[nodiscard]] TerminalList list() const;
  [[nodiscard]] bool has(std::int64_t session) const { return sessions_.contains(session); }
  // Hangs a session up.
  void remove(std::int64_t session);

 private:
  ExecContext& context_;
  std::chrono::milliseconds lease_;
  std::map<std::int64_t, std::shared_ptr<TerminalSession>> sessions_;
};

}  // namespace tl::guest
