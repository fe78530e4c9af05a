// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl {

// An exclusive flock(2) on a file that exists for nothing else. Held until destroyed or the process ends,
// however it ends, which is what makes it tell the truth about life and death. The file is never deleted
// while locks on it may be taken; it is created with mode 0600 when missing.
class FileLock {
 public:
  // Waits for the lock.
  static Result<FileLock> acquire(int dir_fd, const std::string& name);
  // nullopt when somebody else holds it.
  static Result<std::optional<FileLock>> try_acquire(int dir_fd, const std::string& name);

  // True when somebody holds the lock now; never creates the file, takes nothing away from a waiter for
  // longer than the look.
  static bool is_held(int dir_fd, const std::string& name);

  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace tl
