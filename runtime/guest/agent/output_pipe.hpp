// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>

#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>

#include "common/unique_fd.hpp"
#include "runtime/guest/agent/frame_sender.hpp"

namespace tl::guest {

// When the command has ended but something it started holds its stdout or stderr open, all that was in the
// pipe at the end is still sent, and what comes within this time. So `sh -c 'sleep 100 &'` is over at once,
// and nothing is lost of a command that merely ends a little before its own pipeline.
inline constexpr std::chrono::milliseconds kDrainGrace{100};

// The command's stdout or stderr. Reads only when it may send: a client that does not read stops the command.
class OutputPipe {
 public:
  // `scratch` is shared by all pipes of the thread; it is used between two suspensions only.
  OutputPipe(const asio::any_io_executor& executor, FrameKind kind, FrameSender& sender,
             std::span<std::byte> scratch);

  void open(UniqueFd read_end);
  // Once. Returns at the end of the file, or as told below. When the stream has ended, it reads on and
  // discards.
  asio::awaitable<void> run();

  // The command has ended; run() returns within kDrainGrace, if the client reads.
  void command_ended();

 private:
  // kAgain: nothing is there now.
  enum class Step { kMoved, kAgain, kEnd };
  asio::awaitable<Step> move_some();
  asio::awaitable<void> wait_readable();
  [[nodiscard]] bool over() const;

  FrameKind kind_;
  FrameSender& sender_;
  std::span<std::byte> scratch_;
  asio::posix::stream_descriptor pipe_;
  asio::steady_timer grace_;
  std::size_t owed_ = 0;  // of what was in the pipe when the command ended
  std::optional<std::chrono::steady_clock::time_point> deadline_;  // set when the command ends
  bool look_again_ = false;
  bool discard_ = false;
};

}  // namespace tl::guest
