// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>

#include "common/async_event.hpp"
#include "common/http2/stream.hpp"
#include "common/result.hpp"
#include "runtime/guest/agent/exec_context.hpp"
#include "runtime/guest/agent/frame_sender.hpp"
#include "runtime/guest/agent/output_pipe.hpp"
#include "runtime/guest/agent/stdin_pipe.hpp"
#include "runtime/guest/protocol/frame.hpp"
#include "runtime/guest/protocol/messages.hpp"

namespace tl::guest {

// One execution with pipes: from its request to the end of the stream. run() starts the command, waits for it
// and reports; the other coroutines move stdin, stdout and stderr, take the client's frames and watch the
// time. Each holds the Exec and ends by itself once the command or the client is gone.
class Exec : public std::enable_shared_from_this<Exec> {
 public:
  // What is run.
  enum class Program {
    kCommand,  // the request's
    kFiles     // our own, at one end of a copy (files.hpp)
  };
  // The context outlives it. `frames` has read the request from the stream, whose response has begun.
  Exec(ExecContext& context, std::shared_ptr<http2::Stream> stream, FrameReader frames, Program program);

  // Serves the stream to the command's end. Once.
  asio::awaitable<void> run(ExecRequest request);

 private:
  // Starts the command, or says why not.
  std::optional<ExecFailure> start(const ExecRequest& request);
  void start_coroutines(const ExecRequest& request);
  void run_beside(asio::awaitable<void> coroutine);
  void on_exit(int status);

  static asio::awaitable<void> move_output(std::shared_ptr<Exec> self, OutputPipe* pipe);
  static asio::awaitable<void> feed_stdin(std::shared_ptr<Exec> self);
  static asio::awaitable<void> report_stdin(std::shared_ptr<Exec> self);
  static asio::awaitable<void> take_frames(std::shared_ptr<Exec> self);
  static asio::awaitable<void> watch_client(std::shared_ptr<Exec> self);
  static asio::awaitable<void> watch_time(std::shared_ptr<Exec> self, std::chrono::milliseconds limit);

  // False for a frame that must not come here.
  asio::awaitable<bool> handle(Frame frame);
  void signal_group(int number) const;
  // The client is gone: as when a terminal hangs up. Only the time limit still holds.
  void hang_up();

  ExecContext& context_;
  std::shared_ptr<http2::Stream> stream_;
  Program program_;
  FrameReader frames_;
  FrameSender sender_;
  StdinPipe stdin_;
  OutputPipe stdout_;
  OutputPipe stderr_;
  int open_outputs_ = 0;
  AsyncEvent changed_;  // status_ or open_outputs_
  asio::steady_timer time_limit_;

  pid_t pid_ = -1;             // and process group
  std::optional<int> status_;  // the wait status, once the command has ended
  TimeLimit time_ = TimeLimit::kKept;
  std::optional<ProcessTable::Id> row_;
};

}  // namespace tl::guest
