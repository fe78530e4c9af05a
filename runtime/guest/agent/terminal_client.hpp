// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>

#include "common/http2/stream.hpp"
#include "runtime/guest/agent/exec_context.hpp"
#include "runtime/guest/agent/frame_sender.hpp"
#include "runtime/guest/agent/stdin_pipe.hpp"
#include "runtime/guest/agent/terminal_session.hpp"
#include "runtime/guest/protocol/frame.hpp"

namespace tl::guest {

// Whether the client sends what is typed. For one that does not, the terminal's input is at its end.
enum class Keyboard { kNone, kSent };

// One client of a session: shows it the output, takes its frames. Either may end first, and the session does
// not mind.
class TerminalClient : public std::enable_shared_from_this<TerminalClient> {
 public:
  // `frames` has read the request from the stream, whose response has begun.
  TerminalClient(ExecContext& context, std::shared_ptr<TerminalSession> session,
                 std::shared_ptr<http2::Stream> stream, FrameReader frames);

  // Until the session or the client has gone. Once.
  asio::awaitable<void> run(Keyboard keyboard);

 private:
  using Self = std::shared_ptr<TerminalClient>;
  static asio::awaitable<void> take_frames(Self self, Keyboard keyboard);
  static asio::awaitable<void> watch_client(Self self);
  static asio::awaitable<void> feed_keyboard(Self self);
  static asio::awaitable<void> report_keyboard(Self self);

  void run_beside(asio::awaitable<void> coroutine);
  // Output from that place on, to the end of the session.
  asio::awaitable<void> show(TerminalSession::Place place);
  // False for a frame that must not come here.
  asio::awaitable<bool> handle(Frame frame, Keyboard keyboard);

  ExecContext& context_;
  std::shared_ptr<TerminalSession> session_;
  std::shared_ptr<http2::Stream> stream_;
  FrameReader frames_;
  FrameSender sender_;
  StdinPipe keyboard_;
  asio::steady_timer end_again_;
  bool gone_ = false;
};

}  // namespace tl::guest
