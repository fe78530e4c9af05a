// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>

#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "common/result.hpp"

namespace tl::guest {

// The signals by which the tools inside ask PID 1 to end the machine: SIGUSR1 halt, SIGUSR2 power off,
// SIGTERM and SIGINT reboot (as busybox and Ctrl-Alt-Del have it). Blocked in the agent, see
// prepare_signals().
sigset_t power_signals();

// Waits for one of them and ends the machine: everybody gets SIGTERM, a while later SIGKILL; the root disk is
// written back and made read-only.
class PowerSwitch {
 public:
  static Result<PowerSwitch> create(const asio::any_io_executor& executor);
  asio::awaitable<void> run();

 private:
  explicit PowerSwitch(asio::posix::stream_descriptor signals) : signals_(std::move(signals)) {}
  asio::posix::stream_descriptor signals_;
};

}  // namespace tl::guest
