// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/vcpu.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "runtime/machine/kvm/kvm_ioctl.hpp"
#include "runtime/machine/kvm/kvm_msrs.hpp"
#include "runtime/machine/kvm/kvm_prefault.hpp"

namespace tl::machine::kvm {
namespace {

// Local APIC, Intel SDM vol. 3, 11.5.1.
constexpr std::size_t kLvtLint0 = 0x350;
constexpr std::size_t kLvtLint1 = 0x360;
constexpr std::uint32_t kModeMask = 0x700;
constexpr std::uint32_t kModeExtInt = 0x700;
constexpr std::uint32_t kModeNmi = 0x400;

// Intel SDM vol. 4, table 2-2.
constexpr std::uint32_t kMsrMiscEnable = 0x1a0;
constexpr std::uint64_t kFastStrings = 1;
constexpr std::uint32_t kMsrMtrrDefaultType = 0x2ff;
constexpr std::uint64_t kMtrrsOnWriteBack = 0x806;

template <typename T>
Result<T> get(int fd, unsigned long request, const char* name) {
  T value = {};
  const auto done = kvm_ioctl(fd, request, name, reinterpret_cast<unsigned long>(&value));
  if (!done) return done.error();
  return value;
}

template <typename T>
Result<void> put(int fd, unsigned long request, const char* name, const T& value) {
  const auto done = kvm_ioctl(fd, request, name, reinterpret_cast<unsigned long>(&value));
  if (!done) return done.error();
  return {};
}

void set_mode(kvm_lapic_state& apic, std::size_t entry, std::uint32_t mode) {
  std::uint32_t value = 0;
  std::memcpy(&value, apic.regs + entry, sizeof value);
  value = (value & ~kModeMask) | mode;
  std::memcpy(apic.regs + entry, &value, sizeof value);
}

}  // namespace

Result<Vcpu> Vcpu::create(const Vm& vm, const CpuidTable& supported, const CpuPlace& place) {
  const auto bytes = vm.run_bytes();
  if (!bytes) return bytes.error();
  const auto made = kvm_ioctl(vm.fd(), KVM_CREATE_VCPU, "KVM_CREATE_VCPU", place.index);
  if (!made) return made.error();
  UniqueFd fd(*made);
  void* const mapped = ::mmap(nullptr, *bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) return errno_error("map a vCPU's run area");
  Vcpu vcpu(std::move(fd), static_cast<kvm_run*>(mapped), *bytes);

  CpuidTable cpuid = supported;
  prepare_cpuid(cpuid, place, vm.has(KVM_CAP_TSC_DEADLINE_TIMER));
  if (auto done = vcpu.set_cpuid(cpuid); !done) return done.error();
  if (auto done = vcpu.connect_local_interrupts(); !done) return done.error();
  // As firmware leaves them; without the second one all memory would count as uncacheable.
  const kvm_msr_entry msrs[] = {{kMsrMiscEnable, 0, kFastStrings},
                                {kMsrMtrrDefaultType, 0, kMtrrsOnWriteBack}};
  if (auto done = vcpu.set_msrs(msrs); !done) return done.error();
  return vcpu;
}

Vcpu::Vcpu(Vcpu&& other) noexcept
    : fd_(std::move(other.fd_)),
      run_(std::exchange(other.run_, nullptr)),
      run_bytes_(std::exchange(other.run_bytes_, 0)) {}

Vcpu::~Vcpu() {
  if (run_ != nullptr) ::munmap(run_, run_bytes_);
}

int Vcpu::enter() {
  return kvm_ioctl_raw(fd_.get(), KVM_RUN, 0UL);
}

void Vcpu::request_exit() {
  std::atomic_ref<std::uint8_t>(run_->immediate_exit).store(1);
}
void Vcpu::take_exit_request() {
  std::atomic_ref<std::uint8_t>(run_->immediate_exit).store(0);
}

Result<void> Vcpu::set_cpuid(const CpuidTable& table) {
  return put(fd_.get(), kSetCpuid2, "KVM_SET_CPUID2", table);
}

// As firmware leaves them (Intel MultiProcessor Specification 1.4, 3.6.2.2): the PIC's interrupts arrive at
// LINT0, the NMI at LINT1.
Result<void> Vcpu::connect_local_interrupts() {
  auto apic = get<kvm_lapic_state>(fd_.get(), KVM_GET_LAPIC, "KVM_GET_LAPIC");
  if (!apic) return apic.error();
  set_mode(*apic, kLvtLint0, kModeExtInt);
  set_mode(*apic, kLvtLint1, kModeNmi);
  return put(fd_.get(), KVM_SET_LAPIC, "KVM_SET_LAPIC", *apic);
}

Result<kvm_regs> Vcpu::registers() const {
  return get<kvm_regs>(fd_.get(), KVM_GET_REGS, "KVM_GET_REGS");
}
Result<kvm_sregs> Vcpu::system_registers() const {
  return get<kvm_sregs>(fd_.get(), KVM_GET_SREGS, "KVM_GET_SREGS");
}
Result<void> Vcpu::set_registers(const kvm_regs& registers) {
  return put(fd_.get(), KVM_SET_REGS, "KVM_SET_REGS", registers);
}
Result<void> Vcpu::set_system_registers(const kvm_sregs& registers) {
  return put(fd_.get(), KVM_SET_SREGS, "KVM_SET_SREGS", registers);
}

Result<void> Vcpu::set_msrs(std::span<const kvm_msr_entry> msrs) {
  TL_CHECK(msrs.size() <= MsrTable::kEntries);
  MsrTable table = {};
  table.head.count = static_cast<std::uint32_t>(msrs.size());
  std::copy(msrs.begin(), msrs.end(), table.entry);
  const auto done = kvm_ioctl(fd_.get(), kSetMsrs, "KVM_SET_MSRS", reinterpret_cast<unsigned long>(&table));
  if (!done) return done.error();
  // How many it took until one that it refused.
  const auto taken = static_cast<std::size_t>(*done);
  if (taken == msrs.size()) return {};
  return Error{ErrorCode::kHostLacks, fmt::format("KVM refuses MSR {:#x}", msrs[taken].index), ""};
}

// Refused (EINVAL) where the guest does not use the clock: it is told nothing then.
void Vcpu::note_pause() {
  static_cast<void>(kvm_ioctl_raw(fd_.get(), KVM_KVMCLOCK_CTRL, 0UL));
}

Result<std::uint32_t> Vcpu::tsc_khz() const {
  const auto khz = kvm_ioctl(fd_.get(), KVM_GET_TSC_KHZ, "KVM_GET_TSC_KHZ", 0);
  if (!khz) return khz.error();
  return static_cast<std::uint32_t>(*khz);
}

Result<std::uint64_t> Vcpu::tsc() const {
  constexpr std::uint32_t kMsrTsc = 0x10;
  MsrTable table = {};
  table.head.count = 1;
  table.entry[0].index = kMsrTsc;
  const auto got = kvm_ioctl(fd_.get(), kGetMsrs, "KVM_GET_MSRS", reinterpret_cast<unsigned long>(&table));
  if (!got) return got.error();
  return table.entry[0].data;
}

Result<void> Vcpu::set_tsc_khz(std::uint32_t khz) {
  const auto done = kvm_ioctl(fd_.get(), KVM_SET_TSC_KHZ, "KVM_SET_TSC_KHZ", khz);
  if (!done) return done.error();
  return {};
}

Result<void> Vcpu::prefault(GuestAddr start, std::uint64_t bytes) {
  Prefault range{start.value, bytes};
  while (range.bytes > 0) {
    const int done = kvm_ioctl_raw(fd_.get(), kPrefault, &range);
    if (done == -ENOTTY || done == -EINVAL || done == -EOPNOTSUPP)
      return Error{ErrorCode::kHostLacks, "this host's KVM maps no memory in advance", ""};
    if (done < 0) return errno_error(-done, "KVM_PRE_FAULT_MEMORY");
  }
  return {};
}

std::string Vcpu::describe() const {
  const auto general = registers();
  const auto system = system_registers();
  if (!general || !system) return "registers cannot be read";
  const kvm_regs& r = *general;
  const kvm_sregs& s = *system;
  return fmt::format(
      "rip {:016x} rsp {:016x} rflags {:08x}\n"
      "rax {:016x} rbx {:016x} rcx {:016x} rdx {:016x}\n"
      "rsi {:016x} rdi {:016x} rbp {:016x} r8  {:016x}\n"
      "r9  {:016x} r10 {:016x} r11 {:016x} r12 {:016x}\n"
      "r13 {:016x} r14 {:016x} r15 {:016x}\n"
      "cr0 {:08x} cr2 {:016x} cr3 {:016x} cr4 {:08x} efer {:x} cs {:04x} base {:x}",
      r.rip, r.rsp, r.rflags, r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.r8, r.r9, r.r10, r.r11,
      r.r12, r.r13, r.r14, r.r15, s.cr0, s.cr2, s.cr3, s.cr4, s.efer, s.cs.selector, s.cs.base);
}

}  // namespace tl::machine::kvm
