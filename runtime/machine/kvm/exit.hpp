// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "runtime/machine/console_monitor.hpp"
#include "runtime/machine/kvm/vcpu_exit.hpp"
#include "runtime/machine/machine.hpp"

namespace tl::machine::kvm {

// All that is known about the end of a guest.
struct GuestEnd {
  std::optional<VcpuEnd> vcpu;                   // the first one
  std::optional<ConsoleMonitor::Event> console;  // the first one
  bool kill_requested = false;                   // kill() was called while it ran
};

// Which of the causes it was. Pure.
MachineExit explain(const GuestEnd& end);

}  // namespace tl::machine::kvm
