// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"

// A process that waits, kept as a program: a file that is executed, and then is that process, in all its
// threads, where it was. What it had read, computed and translated by then is there again at once. FORMAT.md
// has the file.
//
// That is possible for a process which uses little of the kernel: private memory, event and signal
// descriptors, and descriptors that whoever executes the image passes on in the same places. x86-64, Linux.
namespace tl::machine {

struct ProcessImageSpec {
  // Descriptors, 0 to 2 among them, that whoever executes the image gives to it: what they lead to may be
  // something else then, but of the same kind and in the same state. Memory that the process shares is of
  // such a one.
  std::vector<int> inherited;
  // Those that the process has and can do without.
  std::vector<int> dropped;
  // What system calls the process makes from then on: an array of sock_filter, seccomp(2). Empty: all.
  std::vector<std::byte> filter;
};

// Writes the image of a child of ours to an empty file, which has to be one that can be executed. The process
// stands still meanwhile, and goes on. The image has addresses, keys and secrets of the process: all that are
// executed have the same. kFailure in one sentence when the process uses what an image cannot have, kConflict
// when it did not wait just then.
Result<void> write_process_image(pid_t pid, const ProcessImageSpec& spec, int file);

// Whether an image can be executed on this host as it is now: since the same boot, with the kind of processor
// and the very files that it was made with. kHostLacks when it cannot, kFailure when it is no image.
Result<void> check_process_image(int file);

}  // namespace tl::machine
