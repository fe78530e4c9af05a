// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/exit.hpp"

#include <csignal>

#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::machine;
using Cause = MachineExit::Cause;

TEST_CASE("a guest that said good-bye on its console has switched itself off, however QEMU ended") {
  QemuEnd end;
  end.console = ConsoleMonitor::Event{Cause::kPowerOff, "reboot: System halted"};
  end.shutdown_reason = "host-qmp-quit";
  CHECK(explain(end).cause == Cause::kPowerOff);
  end.status.signal = SIGKILL;
  CHECK(explain(end).cause == Cause::kPowerOff);
  end.kill_requested = true;
  CHECK(explain(end).cause == Cause::kPowerOff);
}

TEST_CASE("a panic is told with its line, not as the reset that follows it") {
  QemuEnd end;
  end.console = ConsoleMonitor::Event{Cause::kPanic, "Kernel panic - not syncing: no init"};
  end.shutdown_reason = "guest-reset";
  const MachineExit exit = explain(end);
  CHECK(exit.cause == Cause::kPanic);
  CHECK(exit.detail == "the guest kernel panicked: Kernel panic - not syncing: no init");
}

TEST_CASE("our own kill is told from somebody else's") {
  QemuEnd end;
  end.status.signal = SIGKILL;
  CHECK(explain(end).cause == Cause::kBroken);
  CHECK(explain(end).detail.find("QEMU was killed by signal 9") == 0);
  end.kill_requested = true;
  CHECK(explain(end).cause == Cause::kKilled);
}

TEST_CASE("a kill that came after the end does not change the reason") {
  QemuEnd end;
  end.kill_requested = true;
  end.shutdown_reason = "guest-reset";
  CHECK(explain(end).cause == Cause::kReset);
}

TEST_CASE("a QEMU that fails is quoted with the last line that says something") {
  QemuEnd end;
  end.status.code = 1;
  end.stderr_text = "qemu: warning: odd\nqemu: -accel: no such thing\x1b[1m\n\n";
  const MachineExit exit = explain(end);
  CHECK(exit.cause == Cause::kBroken);
  CHECK(exit.detail == "QEMU exited with status 1: qemu: -accel: no such thing?[1m");
}

TEST_CASE("the reasons of the SHUTDOWN event are told apart") {
  QemuEnd end;
  end.shutdown_reason = "guest-shutdown";
  CHECK(explain(end).cause == Cause::kPowerOff);
  end.shutdown_reason = "guest-reset";
  CHECK(explain(end).cause == Cause::kReset);
  end.shutdown_reason = "guest-panic";
  CHECK(explain(end).cause == Cause::kPanic);
  end.shutdown_reason = "host-signal";
  CHECK(explain(end).cause == Cause::kBroken);
  CHECK(explain(end).detail.find("host-signal") != std::string::npos);
}

TEST_CASE("an end without any sign of why is not called anything else") {
  CHECK(explain(QemuEnd{}).cause == Cause::kBroken);
  CHECK(explain(QemuEnd{}).detail == "QEMU ended without saying why");
}
