// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/kvm.h>

#include <cstdint>

// The CPUID tables of KVM as the kernel sees them. <asm/kvm.h> of Linux 6.1 to 6.7 cannot be used for them in
// C++: its __DECLARE_FLEX_ARRAY puts an empty struct before the entries, which has a size of one byte here
// and none in C, so that kvm_cpuid2 and with it the request numbers come out wrong. The same holds for
// kvm_msrs, kvm_msr_list, kvm_xsave and kvm_signal_mask.
namespace tl::machine::kvm {

struct CpuidHead {
  std::uint32_t entries;
  std::uint32_t padding;
};
static_assert(sizeof(CpuidHead) == 8 && sizeof(kvm_cpuid_entry2) == 40);

struct CpuidTable {
  static constexpr std::uint32_t kEntries = 256;
  CpuidHead head;
  kvm_cpuid_entry2 entry[kEntries];
};

inline constexpr unsigned long kGetSupportedCpuid = _IOWR(KVMIO, 0x05, CpuidHead);
inline constexpr unsigned long kSetCpuid2 = _IOW(KVMIO, 0x90, CpuidHead);

}  // namespace tl::machine::kvm
