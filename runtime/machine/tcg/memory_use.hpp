// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace tl::machine {

// Host memory of a QEMU and its guest in bytes: the process's own pages, and all of the guest's memory file,
// which a saved guest has mapped only here and there. 0 where it cannot be told.
std::uint64_t memory_use(pid_t qemu, int memory_file);

}  // namespace tl::machine
