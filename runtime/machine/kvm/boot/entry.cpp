// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/boot/entry.hpp"

#include <array>

#include "runtime/machine/kvm/layout.hpp"

namespace tl::machine::kvm {
namespace {

// Intel SDM vol. 3, 2.5, 2.2.1 and 3.4.5.
constexpr std::uint64_t kProtection = 0x1;
constexpr std::uint64_t kExtensionType = 0x10;
constexpr std::uint64_t kPaging = 0x80000000;
constexpr std::uint64_t kPhysicalAddressExtension = 0x20;
constexpr std::uint64_t kLongMode = 0x500;  // enabled and active
constexpr std::uint8_t kCodeType = 0xb;     // execute, read, accessed
constexpr std::uint8_t kDataType = 0x3;     // read, write, accessed
constexpr std::uint8_t kTssType = 0xb;      // 32 bits, busy

// Linux wants its code in selector 0x10 and data in 0x18 (__BOOT_CS and __BOOT_DS).
constexpr std::uint16_t kCodeSelector = 0x10;
constexpr std::uint16_t kDataSelector = 0x18;
constexpr std::uint16_t kTaskSelector = 0x20;

constexpr std::uint64_t kFlagsAlwaysOne = 0x2;

kvm_segment flat(std::uint16_t selector, std::uint8_t type, bool is_64_bit) {
  kvm_segment segment = {};
  segment.limit = 0xffffffff;
  segment.selector = selector;
  segment.type = type;
  segment.present = 1;
  segment.s = 1;
  segment.l = is_64_bit ? 1 : 0;
  segment.db = is_64_bit ? 0 : 1;
  segment.g = 1;
  return segment;
}

// The same as a descriptor; base 0, all 4 GiB.
std::uint64_t descriptor(const kvm_segment& segment) {
  const std::uint64_t access = segment.type | segment.s << 4 | segment.present << 7;
  const std::uint64_t flags = segment.l << 1 | segment.db << 2 | segment.g << 3;
  return 0xffff | access << 40 | std::uint64_t{0xf} << 48 | flags << 52;
}

}  // namespace

Result<void> enter_kernel(Vcpu& vcpu, const GuestMemory& memory, const LoadedKernel& kernel) {
  const bool long_mode = kernel.protocol == BootProtocol::kLinux64;
  const kvm_segment code = flat(kCodeSelector, kCodeType, long_mode);
  const kvm_segment data = flat(kDataSelector, kDataType, false);
  const std::array<std::uint64_t, 5> table{0, 0, descriptor(code), descriptor(data), 0};
  if (!memory.store(layout::kGdt, table))
    return Error{ErrorCode::kOutOfRange, "the descriptor table does not fit into the guest's memory", ""};

  auto system = vcpu.system_registers();
  if (!system) return system.error();
  system->cs = code;
  system->ds = system->es = system->fs = system->gs = system->ss = data;
  system->tr = {};
  system->tr.selector = kTaskSelector;
  system->tr.limit = 0x67;
  system->tr.type = kTssType;
  system->tr.present = 1;
  system->gdt.base = layout::kGdt.value;
  system->gdt.limit = sizeof table - 1;
  system->idt.base = 0;
  system->idt.limit = 0;
  system->cr0 = kProtection | kExtensionType;
  system->cr4 = 0;
  if (long_mode) {
    system->cr0 |= kPaging;
    system->cr3 = layout::kPageTables.value;
    system->cr4 = kPhysicalAddressExtension;
    system->efer = kLongMode;
  }
  if (auto done = vcpu.set_system_registers(*system); !done) return done;

  kvm_regs registers = {};
  registers.rip = kernel.entry.value;
  registers.rflags = kFlagsAlwaysOne;
  if (long_mode) {
    registers.rsi = layout::kBootParams.value;
  } else {
    registers.rbx = layout::kPvhStartInfo.value;
  }
  return vcpu.set_registers(registers);
}

}  // namespace tl::machine::kvm
