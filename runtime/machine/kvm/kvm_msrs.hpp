// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/kvm.h>

#include <cstdint>

// The MSR tables of KVM as the kernel sees them, for the reason given in kvm_cpuid.hpp.
namespace tl::machine::kvm {

struct MsrHead {
  std::uint32_t count;
  std::uint32_t padding;
};
static_assert(sizeof(MsrHead) == 8 && sizeof(kvm_msr_entry) == 16);

struct MsrTable {
  static constexpr std::uint32_t kEntries = 64;
  MsrHead head;
  kvm_msr_entry entry[kEntries];
};

struct MsrList {
  static constexpr std::uint32_t kEntries = 1024;
  std::uint32_t count;
  std::uint32_t index[kEntries];
};

inline constexpr unsigned long kGetMsrIndexList = _IOWR(KVMIO, 0x02, std::uint32_t);
inline constexpr unsigned long kGetMsrs = _IOWR(KVMIO, 0x88, MsrHead);
inline constexpr unsigned long kSetMsrs = _IOW(KVMIO, 0x89, MsrHead);

}  // namespace tl::machine::kvm
