// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/kvm.h>

#include <cstdint>

// KVM_PRE_FAULT_MEMORY of Linux 6.11 (Documentation/virt/kvm/api.rst, 4.143), which the headers of older
// distributions do not have.
namespace tl::machine::kvm {

// Guest-physical, in bytes, multiples of 4096; KVM leaves what it has not done.
struct Prefault {
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
  std::uint64_t flags = 0;
  std::uint64_t padding[5] = {};
};

inline constexpr unsigned long kPrefault = _IOWR(KVMIO, 0xd5, Prefault);

}  // namespace tl::machine::kvm
