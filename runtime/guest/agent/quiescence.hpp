// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "common/log.hpp"
#include "common/result.hpp"
#include "runtime/guest/agent/alarm.hpp"
#include "runtime/guest/agent/control_groups.hpp"
#include "runtime/guest/agent/start_gate.hpp"

namespace tl::guest {

// No user process runs from quiesce() to release(): the machine is saved in between, and a restored guest is
// configured before anybody can look at it. The end of the host's session does not end it, because to a
// restored guest that is the first thing that happens. What does end it is kQuiesceLease, for a host that has
// gone. One io_context thread. What it is made of outlives it, and it outlives its calls.
class Quiescence {
 public:
  // Processes that the kernel cannot stop in this time (they wait for a device, or for a file system that
  // somebody froze) are an error, and those that have stopped go on.
  static constexpr std::chrono::milliseconds kStopLimit{5000};

  Quiescence(const asio::any_io_executor& executor, ControlGroups& groups, StartGate& gate, Alarm& alarm,
             Log log, std::chrono::milliseconds stop_limit = kStopLimit);

  // Success: everybody stands still; the lease begins, or begins anew. kConflict when another call is waiting
  // for that.
  asio::awaitable<Result<void>> quiesce();
  // Success: everybody runs. A quiesce() that still waits gives up.
  Result<void> release();

  [[nodiscard]] bool quiesced() const { return state_ != State::kRunning; }

 private:
  enum class State { kRunning, kStopping, kQuiesced };
  asio::awaitable<Result<void>> stop_all();
  Result<void> go_on();
  void begin_lease();

  asio::any_io_executor executor_;
  ControlGroups& groups_;
  StartGate& gate_;
  Alarm& alarm_;
  Log log_;
  std::chrono::milliseconds stop_limit_;
  State state_ = State::kRunning;
  bool unwanted_ = false;  // while stopping: release() was called
  StartGate::Hold hold_;
};

}  // namespace tl::guest
