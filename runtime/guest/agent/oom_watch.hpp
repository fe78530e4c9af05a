// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <deque>
#include <string_view>

#include "common/unique_fd.hpp"

namespace tl::guest {

// Knows which processes the kernel killed for want of memory, from its own log (/dev/kmsg). It writes there
// before it kills. Lines of others are told apart: the kernel never lets them have its facility, 0. One
// thread.
class OomWatch {
 public:
  // What is logged from now on. Without a log nobody is known to have been killed.
  static OomWatch from_now();
  // For another source of such records, one a read.
  explicit OomWatch(UniqueFd records) : records_(std::move(records)) {}

  // To be asked when the process has ended by SIGKILL.
  bool killed(pid_t pid);

 private:
  void note(std::string_view record);
  UniqueFd records_;
  std::deque<pid_t> victims_;  // the last ones
};

}  // namespace tl::guest
