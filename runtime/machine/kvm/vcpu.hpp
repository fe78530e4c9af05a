// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "common/guest_memory.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/machine/kvm/cpuid.hpp"
#include "runtime/machine/kvm/vcpu_state.hpp"
#include "runtime/machine/kvm/vm.hpp"

namespace tl::machine::kvm {

// One virtual processor. One thread at a time, except request_exit().
class Vcpu {
 public:
  // `supported`: Vm::supported_cpuid(). The first one (index 0) is to be given registers; the others wait for
  // it to start them.
  static Result<Vcpu> create(const Vm& vm, const CpuidTable& supported, const CpuPlace& place);
  Vcpu(Vcpu&& other) noexcept;
  Vcpu& operator=(Vcpu&&) = delete;
  ~Vcpu();

  // Runs until something has to be done here: 0, and run() says what; or -errno, -EINTR when somebody wants
  // the thread.
  [[nodiscard]] int enter();
  [[nodiscard]] kvm_run& run() const { return *run_; }

  // Makes enter() return at once, now if it is outside of the guest, and until take_exit_request(). A thread
  // that is in the guest needs a signal besides.
  void request_exit();
  void take_exit_request();

  [[nodiscard]] Result<kvm_regs> registers() const;
  [[nodiscard]] Result<kvm_sregs> system_registers() const;
  Result<void> set_registers(const kvm_regs& registers);
  Result<void> set_system_registers(const kvm_sregs& registers);
  // At most MsrTable::kEntries.
  Result<void> set_msrs(std::span<const kvm_msr_entry> msrs);
  // Tells a guest with KVM's clock that it stood still, so that its watchdogs are not alarmed. While no
  // thread is in enter().
  void note_pause();
  // How fast the TSC counts.
  [[nodiscard]] Result<std::uint32_t> tsc_khz() const;
  [[nodiscard]] Result<std::uint64_t> tsc() const;
  // Has it count at another rate, where the processor can.
  Result<void> set_tsc_khz(std::uint32_t khz);

  // While no thread is in enter(), and nothing is half done (VcpuSet). A state is for the same CPUID; the
  // error is kHostLacks when this host's KVM cannot take it.
  [[nodiscard]] Result<VcpuState> save(const Vm& vm) const;
  Result<void> restore(const VcpuState& state);

  // Maps guest-physical memory for the guest, so that it does not stop at each page: `bytes` from `start` on,
  // a multiple of 4096 both. After restore(); before this is another thread's. kHostLacks where KVM does not
  // do that (Linux before 6.11); another error, a signal among them, may leave a part undone.
  Result<void> prefault(GuestAddr start, std::uint64_t bytes);

  // Registers in a few lines, for the log.
  [[nodiscard]] std::string describe() const;

 private:
  Vcpu(UniqueFd fd, kvm_run* run, std::size_t run_bytes)
      : fd_(std::move(fd)), run_(run), run_bytes_(run_bytes) {}
  Result<void> set_cpuid(const CpuidTable& table);
  Result<void> connect_local_interrupts();

  UniqueFd fd_;
  kvm_run* run_;  // shared with KVM
  std::size_t run_bytes_;
};

}  // namespace tl::machine::kvm
