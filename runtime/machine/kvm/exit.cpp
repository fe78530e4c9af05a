// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/exit.hpp"

namespace tl::machine::kvm {

MachineExit explain(const GuestEnd& end) {
  using Cause = MachineExit::Cause;
  // The guest's own words come first: a reset only follows them.
  if (end.console && end.console->cause == Cause::kPanic) {
    return {Cause::kPanic, "the guest kernel panicked: " + end.console->line};
  }
  if (end.console) return {Cause::kPowerOff, "the guest switched itself off"};
  if (end.vcpu && end.vcpu->cause == VcpuEnd::Cause::kBroken) return {Cause::kBroken, end.vcpu->detail};
  if (end.vcpu) return {Cause::kReset, "the guest rebooted"};
  if (end.kill_requested) return {Cause::kKilled, "the machine was killed"};
  return {Cause::kBroken, "the machine ended without saying why"};
}

}  // namespace tl::machine::kvm
