// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::registry {

// "This sandbox is somebody's business": an flock(2) on the file `alive` in its work folder, held without a
// gap from before the sandbox's document appears until its monitor ends, however it ends. An flock belongs to
// the open file, not to the process, so the creator hands it over by letting the monitor inherit the
// descriptor: the monitor adopts it, the creator drops its own copy, and at no instant is the lock free.
class LifeLock {
 public:
  // `work_fd` is the sandbox's work folder. kConflict when somebody holds it. Callers hold the record lock,
  // so that no two take it at once.
  static Result<LifeLock> take(int work_fd);

  // In the process that inherited `passed` (any number, close-on-exec or not). Fails when it is not the lock
  // of this folder or is not held.
  static Result<LifeLock> adopt(int work_fd, UniqueFd passed);

  // Whether anybody holds the lock of the work folder `relative` to `dir_fd`; false when there is none.
  static bool is_held(int dir_fd, const std::string& relative);

  // For passing on: the child must make its copy inheritable (dup2). The lock stays held while any copy is
  // open.
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] UniqueFd release() && { return std::move(fd_); }

 private:
  explicit LifeLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace tl::registry
