// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "common/async_event.hpp"
#include "common/log.hpp"
#include "common/result.hpp"
#include "runtime/guest/agent/alarm.hpp"
#include "runtime/guest/agent/job_thread.hpp"
#include "runtime/guest/agent/start_gate.hpp"

namespace tl::guest {

// The root file system, frozen for the time of a checkpoint and no longer: the end of the lease or of the
// host's session thaws it as well as thaw() does. Whoever writes to it meanwhile waits in the kernel; the
// agent itself does not write to it, and starts no commands. One io_context thread; what blocks is done on
// the job thread. What it is made of outlives it, and it outlives its calls.
class RootFreeze {
 public:
  // Called on the job thread.
  struct Calls {
    std::function<Result<void>()> sync;  // beforehand, so that the frozen time is short
    std::function<Result<void>()> freeze;
    std::function<Result<void>()> thaw;  // success as well when somebody else has thawed it
  };

  RootFreeze(const asio::any_io_executor& executor, Calls calls, JobThread& jobs, StartGate& gate,
             Alarm& alarm, Log log);

  // All that is in memory of it goes to the disk. What is frozen is there already.
  asio::awaitable<Result<void>> write_back();
  // Success: it is frozen, and the lease begins. kConflict when it is frozen or about to be.
  asio::awaitable<Result<void>> freeze(std::chrono::milliseconds lease);
  // Success: it is not frozen. What is about to be frozen is waited for.
  asio::awaitable<Result<void>> thaw();
  // The session has ended: thaws, without waiting for it.
  void abandon();

  // From the beginning of freezing to the end of thawing.
  [[nodiscard]] bool frozen() const { return state_ != State::kThawed; }
  // Waits while it is on its way from one to the other.
  asio::awaitable<void> settle();

 private:
  enum class State { kThawed, kFreezing, kFrozen, kThawing };
  void become(State state);
  asio::awaitable<Result<void>> take_hold();
  void thaw_later(std::chrono::milliseconds after);
  void thaw_now();

  asio::any_io_executor executor_;
  Calls calls_;
  JobThread& jobs_;
  StartGate& gate_;
  Alarm& alarm_;
  Log log_;
  AsyncEvent changed_;
  State state_ = State::kThawed;
  bool unwanted_ = false;  // while freezing: somebody has asked for the end of it
  StartGate::Hold hold_;
};

// The file system of "/".
RootFreeze::Calls root_file_system();

}  // namespace tl::guest
