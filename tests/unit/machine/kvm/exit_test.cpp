// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/exit.hpp"

#include "tests/support/catch.hpp"

using namespace tl::machine;
using namespace tl::machine::kvm;
using Cause = MachineExit::Cause;

TEST_CASE("a guest's last words decide over the reset that follows them") {
  GuestEnd end;
  end.vcpu = VcpuEnd{VcpuEnd::Cause::kShutdown, "", ""};
  CHECK(explain(end).cause == Cause::kReset);
  end.console = ConsoleMonitor::Event{Cause::kPowerOff, "reboot: Power down"};
  CHECK(explain(end).cause == Cause::kPowerOff);
  end.console = ConsoleMonitor::Event{Cause::kPanic, "Kernel panic - not syncing: Oops"};
  CHECK(explain(end).cause == Cause::kPanic);
  CHECK(explain(end).detail.find("not syncing: Oops") != std::string::npos);
}

TEST_CASE("KVM's failures are told in KVM's words") {
  GuestEnd end;
  end.vcpu =
      VcpuEnd{VcpuEnd::Cause::kBroken, "KVM cannot emulate an instruction of the guest: 0f 0b", "rip 0"};
  CHECK(explain(end).cause == Cause::kBroken);
  CHECK(explain(end).detail == "KVM cannot emulate an instruction of the guest: 0f 0b");
}

TEST_CASE("a kill counts unless the guest had ended before") {
  GuestEnd end;
  end.kill_requested = true;
  CHECK(explain(end).cause == Cause::kKilled);
  end.vcpu = VcpuEnd{VcpuEnd::Cause::kReset, "", ""};
  CHECK(explain(end).cause == Cause::kReset);
}
