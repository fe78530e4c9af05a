// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "common/async_event.hpp"
#include "runtime/guest/protocol/process_messages.hpp"

namespace tl::guest {

// What is kept of a detached process's output, with what each piece costs.
inline constexpr std::size_t kLogMemory = 1024 * 1024;

// The end of what a detached process wrote, in the order in which it came, over all its runs. It is in our
// memory rather than in files: PID 1 must never wait for a file system that somebody froze or filled, and the
// guest's own root cannot get at it. So it lives as long as the machine's memory does. When it is full the
// oldest pieces are forgotten. One io_context thread.
class ProcessLog {
 public:
  explicit ProcessLog(const asio::any_io_executor& executor, std::size_t capacity = kLogMemory)
      : capacity_(capacity), changed_(executor) {}

  // A place between two bytes. Those of forgotten pieces stand for the oldest there is.
  struct Place {
    std::uint64_t piece = 0;  // number, from the first that ever was
    std::size_t offset = 0;   // into it
  };

  void append(LogPiece::Stream stream, std::span<const std::byte> bytes, std::chrono::nanoseconds now);
  // Nothing more will come, until append() or reopen() is called.
  void close();
  void reopen() { closed_ = false; }
  // Gives the memory back.
  void forget();

  [[nodiscard]] Place begin() const { return {first_, 0}; }
  // Where the last lines begin; an unfinished one counts. begin() when there are not as many.
  [[nodiscard]] Place last_lines(std::uint64_t lines) const;
  // What is there, moving the place behind it; none at the end.
  [[nodiscard]] std::optional<LogPiece> next(Place& place) const;

  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] std::size_t cost() const { return cost_; }
  // Until there is more, it has been closed, or somebody wakes those who wait.
  asio::awaitable<void> wait_changed();
  void wake() { changed_.notify_all(); }

 private:
  [[nodiscard]] static std::size_t cost_of(const LogPiece& piece);
  std::size_t capacity_;
  std::deque<LogPiece> pieces_;
  std::uint64_t first_ = 0;  // the number of pieces_.front()
  std::size_t cost_ = 0;
  bool closed_ = false;
  AsyncEvent changed_;
};

}  // namespace tl::guest
