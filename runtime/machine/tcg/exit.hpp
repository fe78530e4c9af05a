// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "common/child_process.hpp"
#include "runtime/machine/console_monitor.hpp"
#include "runtime/machine/machine.hpp"

namespace tl::machine {

// All that is known about the end of a QEMU.
struct QemuEnd {
  ExitStatus status;                             // of the process
  bool kill_requested = false;                   // kill() was called while it ran
  std::optional<ConsoleMonitor::Event> console;  // the first one
  std::string shutdown_reason;                   // of the SHUTDOWN event ("guest-reset"); empty: none came
  std::string control_failure;                   // why the control connection was given up; empty: it was not
  std::string stderr_text;                       // the newest of it
};

// Which of the causes it was. Pure.
MachineExit explain(const QemuEnd& end);

}  // namespace tl::machine
