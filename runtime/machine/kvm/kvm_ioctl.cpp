// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/kvm_ioctl.hpp"

#include <sys/ioctl.h>

#include <cerrno>

namespace tl::machine::kvm {

int kvm_ioctl_raw(int fd, unsigned long request, unsigned long argument) {
  const int result = ::ioctl(fd, request, argument);
  return result < 0 ? -errno : result;
}

Result<int> kvm_ioctl(int fd, unsigned long request, const char* name, unsigned long argument) {
  const int result = kvm_ioctl_raw(fd, request, argument);
  if (result < 0) return errno_error(-result, name);
  return result;
}

}  // namespace tl::machine::kvm
