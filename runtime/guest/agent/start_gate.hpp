// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <asio/awaitable.hpp>

#include "common/async_event.hpp"

namespace tl::guest {

// New commands wait here while the file system is frozen or the processes are quiesced: Spawner stands still
// until its child has called execve, and PID 1 with it, so the child must not be stopped on the way. One
// io_context thread; outlives its holds.
class StartGate {
 public:
  explicit StartGate(const asio::any_io_executor& executor) : opened_(executor) {}

  struct Open {
    void operator()(StartGate* gate) const { gate->open(); }
  };
  // The gate is closed as long as there is one.
  using Hold = std::unique_ptr<StartGate, Open>;

  [[nodiscard]] Hold close() {
    ++holds_;
    return Hold(this);
  }
  [[nodiscard]] bool closed() const { return holds_ > 0; }
  // In the turn of the loop in which it returns, the gate is open.
  asio::awaitable<void> pass() {
    while (closed()) co_await opened_.wait();
  }

 private:
  void open() {
    if (--holds_ == 0) opened_.notify_all();
  }
  AsyncEvent opened_;
  int holds_ = 0;
};

}  // namespace tl::guest
