// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "common/result.hpp"

namespace tl {

// Tells a coroutine when a descriptor that belongs to somebody else (our caller's standard input, a terminal)
// can be read or written. Asio alone would set O_NONBLOCK on it, which every other process that shares the
// open file would feel; here a private epoll descriptor stands between. Does not own the descriptor, which
// outlives this object. One thread.
class Readiness {
 public:
  enum class For { kReading, kWriting };

  // Files that epoll refuses (regular ones) count as always ready.
  static Result<Readiness> create(const asio::any_io_executor& executor, int fd, For what);

  // Returns when the next read or write will not block, or will fail at once.
  asio::awaitable<void> wait();

 private:
  Readiness(int fd, For what) : fd_(fd), for_(what) {}
  [[nodiscard]] bool ready_now() const;

  int fd_;
  For for_;
  std::optional<asio::posix::stream_descriptor> epoll_;  // absent: always ready
};

}  // namespace tl
