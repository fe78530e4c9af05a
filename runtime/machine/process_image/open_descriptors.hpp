// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace tl::machine {

// A descriptor of a process, as /proc has it.
struct OpenDescriptor {
  enum class Kind {
    kEvent,   // eventfd(2)
    kSignal,  // signalfd(2)
    kFile,    // that has an inode: `device`, `inode`
    kOther,   // of anonymous inodes
  };
  int number = 0;
  Kind kind = Kind::kOther;
  int flags = 0;       // O_*, O_CLOEXEC among them
  std::string target;  // where the link in /proc leads
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t event_count = 0;
  bool event_semaphore = false;
  std::uint64_t signal_mask = 0;
};

// Takes from the text of /proc/<pid>/fdinfo/<n> what is there. kFailure when the flags are not.
Result<void> parse_descriptor(std::string_view fdinfo, OpenDescriptor& descriptor);

// In the order of their numbers.
Result<std::vector<OpenDescriptor>> descriptors_of(pid_t pid);

}  // namespace tl::machine
