// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <future>
#include <vector>

#include "common/event_fd.hpp"
#include "common/guest_memory.hpp"
#include "common/mmio_device.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/machine/kvm/kvm_cpuid.hpp"
#include "runtime/machine/kvm/vm_state.hpp"

namespace tl::machine::kvm {

// A virtual machine of KVM: memory, interrupt controllers and timer, all in the kernel. No processors yet.
// Control thread.
class Vm {
 public:
  // Without memory. kHostLacks when there is no KVM that can do it.
  static Result<Vm> create(const char* device = "/dev/kvm");
  // The same in a thread of its own, where there is one to be had. It takes tens of milliseconds: the kernel
  // starts a thread for the VM, and waits for a grace period (RCU) to move it into our control groups.
  static std::future<Result<Vm>> begin();

  // Once; `memory` outlives the VM.
  Result<void> add_memory(const GuestMemory& memory);
  // Whether KVM notes which pages the guest writes to; what the host writes is not noted. From the first of
  // these to the second each first write to a page costs the guest an exit.
  Result<void> note_writes(const GuestMemory& memory, bool noted);
  // Those written since the noting began or they were last asked for: page p of memory.ram() is bit p % 64 of
  // word p / 64.
  [[nodiscard]] Result<std::vector<std::uint64_t>> written_pages(const GuestMemory& memory) const;

  // An edge on `line` (a pin of the I/O APIC and the PIC) whenever `event` is signalled.
  Result<void> connect_interrupt(const EventFd& event, std::uint32_t line);
  // Signals doorbell.event for its store, without a return to us.
  Result<void> connect_doorbell(GuestAddr window, const MmioDevice::Doorbell& doorbell);

  // What KVM can give to a guest's processors.
  [[nodiscard]] Result<CpuidTable> supported_cpuid() const;
  [[nodiscard]] bool has(int capability) const { return value_of(capability) > 0; }
  [[nodiscard]] int value_of(int capability) const;  // 0: it is not there
  // The MSRs that make up a vCPU's state, TSC_DEADLINE among them.
  [[nodiscard]] Result<std::vector<std::uint32_t>> msr_indices() const;
  [[nodiscard]] Result<std::size_t> run_bytes() const;  // of the mapping that a vCPU shares with KVM

  // While no vCPU runs. The clock goes on from where it was saved.
  [[nodiscard]] Result<VmState> save() const;
  Result<void> restore(const VmState& state);
  // What the guest's clock says, in nanoseconds.
  Result<void> set_clock(std::uint64_t nanoseconds);

  [[nodiscard]] int fd() const { return vm_.get(); }

 private:
  Vm(UniqueFd kvm, UniqueFd vm) : kvm_(std::move(kvm)), vm_(std::move(vm)) {}
  Result<void> set_memory(const GuestMemory& memory, std::uint32_t flags);
  Result<void> add_interrupt_controllers();

  UniqueFd kvm_;
  UniqueFd vm_;
};

}  // namespace tl::machine::kvm
