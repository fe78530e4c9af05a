// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>

#include "runtime/machine/probe/kvm_probe.hpp"

namespace tl::machine {

// The smallest virtual machine that can run a piece of probe_guest.S in 64-bit mode. For a process that was
// made for it and ends soon: makes bare system calls, allocates nothing, closes nothing.
class ProbeVm {
 public:
  // 0 or -errno.
  int set_up(int kvm);
  // False when KVM does not offer the instructions to guests, which then do not use them either.
  [[nodiscard]] bool has_instructions_of(ProbeRun::Step step) const;
  // Runs one piece to its end. Fills in error or exit_reason and suberror when that fails.
  ProbeRun::Failure run_piece(ProbeRun::Step step, ProbeRun& run);

 private:
  int set_cpuid(int kvm);
  int set_registers();
  void write_tables();

  int vm_ = -1;
  int vcpu_ = -1;
  std::byte* memory_ = nullptr;
  kvm_run* run_ = nullptr;
  std::uint32_t features_ = 0;  // CPUID.1:ECX for the guest
};

}  // namespace tl::machine
