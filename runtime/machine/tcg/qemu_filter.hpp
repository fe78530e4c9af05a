// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "common/result.hpp"

namespace tl::machine {

// The system calls that a QEMU may make which is not asked to set up its own sandbox: what `-sandbox
// on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny` leaves, without what lets one
// process look into another, or reaches parts of the kernel that it has no use for. An array of sock_filter,
// for seccomp(2) of x86-64.
Result<std::vector<std::byte>> qemu_filter();

}  // namespace tl::machine
