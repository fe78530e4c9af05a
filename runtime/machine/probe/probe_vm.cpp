// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/probe/probe_vm.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "runtime/machine/kvm/kvm_cpuid.hpp"
#include "runtime/machine/kvm/kvm_ioctl.hpp"

extern "C" {
#define TL_PIECE(name) extern const std::byte tl_probe_##name[], tl_probe_##name##_end[]
TL_PIECE(loop);
TL_PIECE(privileged);
TL_PIECE(popcnt);
TL_PIECE(cmpxchg16b);
TL_PIECE(xsave);
TL_PIECE(int3);
extern const std::byte tl_probe_int3_entry[];
#undef TL_PIECE
}

namespace tl::machine {
namespace {

using kvm::kvm_ioctl_raw;

// Guest memory, one page each; everything below 2 MiB is identity mapped by one large page.
constexpr std::uint64_t kPml4 = 0x1000;
constexpr std::uint64_t kPdpt = 0x2000;
constexpr std::uint64_t kPd = 0x3000;
constexpr std::uint64_t kGdt = 0x4000;
constexpr std::uint64_t kIdt = 0x5000;
constexpr std::uint64_t kCode = 0x6000;
constexpr std::uint64_t kData = 0x7000;
constexpr std::uint64_t kStackTop = 0x9000;
constexpr std::size_t kMemoryBytes = 0x10000;
constexpr std::uint64_t kTssAddress = 0xfffbd000;  // three pages that Intel's processors need somewhere

constexpr std::uint16_t kCodeSelector = 0x08;
constexpr std::uint16_t kDataSelector = 0x10;
constexpr std::uint16_t kEndPort = 0xf4;

// Intel SDM vol. 3, 2.5 and 2.2.1.
constexpr std::uint64_t kCr0 = 0x80010033;  // PG WP NE ET MP PE
constexpr std::uint64_t kCr4 = 0x20;        // PAE
constexpr std::uint64_t kEfer = 0x500;      // LMA LME

constexpr std::uint32_t kHasCmpxchg16b = 1U << 13;
constexpr std::uint32_t kHasPopcnt = 1U << 23;
constexpr std::uint32_t kHasXsave = 1U << 26;

struct Piece {
  const std::byte* begin;
  const std::byte* end;
  const std::byte* entry;
};

Piece piece_of(ProbeRun::Step step) {
  switch (step) {
    case ProbeRun::Step::kPrivileged:
      return {tl_probe_privileged, tl_probe_privileged_end, tl_probe_privileged};
    case ProbeRun::Step::kPopcnt:
      return {tl_probe_popcnt, tl_probe_popcnt_end, tl_probe_popcnt};
    case ProbeRun::Step::kCmpxchg16b:
      return {tl_probe_cmpxchg16b, tl_probe_cmpxchg16b_end, tl_probe_cmpxchg16b};
    case ProbeRun::Step::kXsave:
      return {tl_probe_xsave, tl_probe_xsave_end, tl_probe_xsave};
    case ProbeRun::Step::kInt3:
      return {tl_probe_int3, tl_probe_int3_end, tl_probe_int3_entry};
    default:
      return {tl_probe_loop, tl_probe_loop_end, tl_probe_loop};
  }
}

kvm_segment segment(std::uint16_t selector, std::uint8_t type, std::uint8_t is_long) {
  kvm_segment made = {};
  made.limit = 0xffffffff;
  made.selector = selector;
  made.type = type;
  made.present = 1;
  made.s = 1;
  made.l = is_long;
  made.db = is_long == 0 ? 1 : 0;
  made.g = 1;
  return made;
}

void put(std::byte* memory, std::uint64_t address, std::uint64_t value) {
  std::memcpy(memory + address, &value, sizeof value);
}

}  // namespace

int ProbeVm::set_up(int kvm) {
  vm_ = kvm_ioctl_raw(kvm, KVM_CREATE_VM, 0UL);
  if (vm_ < 0) return vm_;
  kvm_ioctl_raw(vm_, KVM_SET_TSS_ADDR,
                kTssAddress);  // not known to every architecture's emulation: not needed there
  void* memory = ::mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return -errno;
  memory_ = static_cast<std::byte*>(memory);
  write_tables();
  kvm_userspace_memory_region region = {};
  region.memory_size = kMemoryBytes;
  region.userspace_addr = reinterpret_cast<std::uint64_t>(memory);
  if (const int result = kvm_ioctl_raw(vm_, KVM_SET_USER_MEMORY_REGION, &region); result < 0) return result;

  vcpu_ = kvm_ioctl_raw(vm_, KVM_CREATE_VCPU, 0UL);
  if (vcpu_ < 0) return vcpu_;
  const int run_bytes = kvm_ioctl_raw(kvm, KVM_GET_VCPU_MMAP_SIZE, 0UL);
  if (run_bytes < 0) return run_bytes;
  void* run =
      ::mmap(nullptr, static_cast<std::size_t>(run_bytes), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_, 0);
  if (run == MAP_FAILED) return -errno;
  run_ = static_cast<kvm_run*>(run);
  if (const int result = set_cpuid(kvm); result < 0) return result;
  return set_registers();
}

int ProbeVm::set_cpuid(int kvm) {
  void* memory =
      ::mmap(nullptr, sizeof(kvm::CpuidTable), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return -errno;
  auto* cpuid = static_cast<kvm::CpuidTable*>(memory);
  cpuid->head.entries = kvm::CpuidTable::kEntries;
  if (const int result = kvm_ioctl_raw(kvm, kvm::kGetSupportedCpuid, memory); result < 0) return result;
  for (unsigned i = 0; i < cpuid->head.entries && i < kvm::CpuidTable::kEntries; ++i) {
    if (cpuid->entry[i].function == 1) features_ = cpuid->entry[i].ecx;
  }
  const int result = kvm_ioctl_raw(vcpu_, kvm::kSetCpuid2, memory);
  return result < 0 ? result : 0;
}

void ProbeVm::write_tables() {
  put(memory_, kPml4, kPdpt | 0x3);
  put(memory_, kPdpt, kPd | 0x3);
  put(memory_, kPd, 0x83);  // present, writable, 2 MiB
  put(memory_, kGdt + kCodeSelector, 0x00af9b000000ffff);
  put(memory_, kGdt + kDataSelector, 0x00cf93000000ffff);
  // Vector 3: a 64-bit interrupt gate to the beginning of the piece.
  put(memory_, kIdt + 3 * 16, (kCode & 0xffff) | std::uint64_t{kCodeSelector} << 16 | 0x8e00ULL << 32);
}

int ProbeVm::set_registers() {
  kvm_sregs sregs = {};
  if (const int result = kvm_ioctl_raw(vcpu_, KVM_GET_SREGS, &sregs); result < 0) return result;
  sregs.cs = segment(kCodeSelector, 0xb, 1);
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = segment(kDataSelector, 0x3, 0);
  sregs.gdt.base = kGdt;
  sregs.gdt.limit = 3 * 8 - 1;
  sregs.idt.base = kIdt;
  sregs.idt.limit = 4 * 16 - 1;
  sregs.cr0 = kCr0;
  sregs.cr3 = kPml4;
  sregs.cr4 = kCr4;
  sregs.efer = kEfer;
  const int result = kvm_ioctl_raw(vcpu_, KVM_SET_SREGS, &sregs);
  return result < 0 ? result : 0;
}

bool ProbeVm::has_instructions_of(ProbeRun::Step step) const {
  if (step == ProbeRun::Step::kPopcnt) return (features_ & kHasPopcnt) != 0;
  if (step == ProbeRun::Step::kCmpxchg16b) return (features_ & kHasCmpxchg16b) != 0;
  if (step == ProbeRun::Step::kXsave) return (features_ & kHasXsave) != 0;
  return true;
}

ProbeRun::Failure ProbeVm::run_piece(ProbeRun::Step step, ProbeRun& run) {
  const auto refused = [&](int result) {
    run.error = -result;
    return ProbeRun::Failure::kRefused;
  };
  const Piece piece = piece_of(step);
  std::memcpy(memory_ + kCode, piece.begin, static_cast<std::size_t>(piece.end - piece.begin));
  // An exit for port I/O is completed by the next KVM_RUN, which must see the old registers.
  run_->immediate_exit = 1;
  kvm_ioctl_raw(vcpu_, KVM_RUN, 0UL);
  run_->immediate_exit = 0;

  kvm_regs regs = {};
  regs.rip = kCode + static_cast<std::uint64_t>(piece.entry - piece.begin);
  regs.rsp = kStackTop;
  regs.rdi = kData;
  regs.rflags = 0x2;
  if (const int result = kvm_ioctl_raw(vcpu_, KVM_SET_REGS, &regs); result < 0) return refused(result);
  int result = 0;
  do result = kvm_ioctl_raw(vcpu_, KVM_RUN, 0UL);
  while (result == -EINTR);
  if (result < 0) return refused(result);
  if (run_->exit_reason == KVM_EXIT_IO && run_->io.direction == KVM_EXIT_IO_OUT &&
      run_->io.port == kEndPort) {
    return ProbeRun::Failure::kNone;
  }
  run.exit_reason = run_->exit_reason;
  run.suberror = run_->exit_reason == KVM_EXIT_INTERNAL_ERROR ? run_->internal.suberror : 0;
  return ProbeRun::Failure::kExit;
}

}  // namespace tl::machine
