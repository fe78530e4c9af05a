// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>

#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "common/result.hpp"

namespace tl::guest {

// Waits for every child there is: ours, whose end somebody wants to know, and the orphans that the kernel
// gives to PID 1. One io_context thread; SIGCHLD is blocked in it (signals.hpp).
class Reaper {
 public:
  static Result<Reaper> create(const asio::any_io_executor& executor);

  // `ended` gets the wait status, once. To be called in the turn of the loop in which the child was started.
  void watch(pid_t pid, std::function<void(int)> ended) { watched_[pid] = std::move(ended); }

  // Never returns unless its descriptor fails.
  asio::awaitable<void> run();

 private:
  explicit Reaper(asio::posix::stream_descriptor signals) : signals_(std::move(signals)) {}
  void reap();
  asio::posix::stream_descriptor signals_;
  std::map<pid_t, std::function<void(int)>> watched_;
};

}  // namespace tl::guest
