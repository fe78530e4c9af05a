// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/kvm.h>

#include <cstddef>

// The requests for a vCPU's XSAVE area, with the size that kvm_xsave has in C, for the reason given in
// kvm_cpuid.hpp. The area itself may be larger (KVM_CAP_XSAVE2).
namespace tl::machine::kvm {

struct XsaveHead {
  std::byte bytes[4096];
};

inline constexpr unsigned long kGetXsave = _IOR(KVMIO, 0xa4, XsaveHead);
inline constexpr unsigned long kSetXsave = _IOW(KVMIO, 0xa5, XsaveHead);
inline constexpr unsigned long kGetXsave2 = _IOR(KVMIO, 0xcf, XsaveHead);

}  // namespace tl::machine::kvm
