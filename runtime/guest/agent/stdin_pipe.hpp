// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "common/async_event.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/agent/frame_sender.hpp"

namespace tl::guest {

// The command's stdin: up to kStdinAhead bytes wait here for a command that does not read, and the client is
// told how many were taken. Bytes for a command that has closed its stdin are discarded, and count as taken.
//
// feed() and report() are run once each, by coroutines that keep the pipe alive.
class StdinPipe {
 public:
  StdinPipe(const asio::any_io_executor& executor, FrameSender& sender);

  // Once, before anything else; not called for a command without a stdin stream.
  void open(UniqueFd write_end);
  [[nodiscard]] bool was_opened() const { return was_opened_; }

  // Queues; waits while too much is queued.
  asio::awaitable<void> push(std::vector<std::byte> bytes);
  // End of file, behind what is queued.
  void end();
  // Closes the pipe now; what is queued is discarded. feed() and report() return.
  void stop();

  asio::awaitable<void> feed();
  asio::awaitable<void> report();

 private:
  void close();
  void taken(std::size_t bytes);

  FrameSender& sender_;
  asio::posix::stream_descriptor pipe_;
  AsyncEvent changed_;
  std::deque<std::vector<std::byte>> queue_;
  std::size_t queued_ = 0;  // bytes
  std::size_t unreported_ = 0;
  bool was_opened_ = false;
  bool ended_ = false;
  bool stopped_ = false;
};

}  // namespace tl::guest
