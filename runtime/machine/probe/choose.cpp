// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/probe/verdict.hpp"

namespace tl::machine {
namespace {

Error lacks(std::string message, const Verdict& verdict) {
  return Error{ErrorCode::kHostLacks, std::move(message), verdict.cure};
}

}  // namespace

bool still_holds(const HostVerdicts& verdicts, AcceleratorRequest requested) {
  const bool kvm = verdicts.kvm_fingerprint == kvm_fingerprint();
  // Where KVM can be used, nobody asks for QEMU.
  if (requested == AcceleratorRequest::kKvm) return kvm;
  if (requested == AcceleratorRequest::kAuto && kvm && verdicts.kvm.usable) return true;
  return kvm && verdicts.tcg_fingerprint == tcg_fingerprint();
}

Result<AcceleratorChoice> choose_accelerator(AcceleratorRequest requested, const HostVerdicts& verdicts) {
  const bool kvm = verdicts.kvm.usable;
  const std::string& why_not_kvm = verdicts.kvm.reason;
  switch (requested) {
    case AcceleratorRequest::kKvm:
      if (!kvm) return lacks("kvm cannot be used: " + why_not_kvm, verdicts.kvm).with_hint("--accel auto");
      return AcceleratorChoice{Accelerator::kKvm, verdicts.kvm.fingerprint, verdicts.kvm.reason};
    case AcceleratorRequest::kTcg:
      if (!verdicts.tcg.usable) return lacks("tcg cannot be used: " + verdicts.tcg.reason, verdicts.tcg);
      return AcceleratorChoice{Accelerator::kTcg, verdicts.tcg.fingerprint, verdicts.tcg.reason};
    case AcceleratorRequest::kAuto:
      break;
  }
  if (kvm) return AcceleratorChoice{Accelerator::kKvm, verdicts.kvm.fingerprint, verdicts.kvm.reason};
  if (verdicts.tcg.usable)
    return AcceleratorChoice{Accelerator::kTcg, verdicts.tcg.fingerprint,
                             "kvm cannot be used: " + why_not_kvm};
  return lacks("no accelerator can be used: kvm: " + why_not_kvm + "; tcg: " + verdicts.tcg.reason,
               verdicts.tcg);
}

}  // namespace tl::machine
