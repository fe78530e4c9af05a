// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.hpp"

namespace tl::machine::kvm {

// The one place that calls ioctl(2) on /dev/kvm, a VM or a vCPU. Any thread.

// What ioctl(2) returned, or -errno. Allocates nothing and takes no lock: usable after fork and in a vCPU's
// loop. EINTR is the caller's, because for KVM_RUN it means that somebody wants the thread.
int kvm_ioctl_raw(int fd, unsigned long request, unsigned long argument);

inline int kvm_ioctl_raw(int fd, unsigned long request, void* argument) {
  return kvm_ioctl_raw(fd, request, reinterpret_cast<unsigned long>(argument));
}

// The same with an error that names the request.
Result<int> kvm_ioctl(int fd, unsigned long request, const char* name, unsigned long argument);

}  // namespace tl::machine::kvm
