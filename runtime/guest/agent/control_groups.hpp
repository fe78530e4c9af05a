// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::guest {

// The guest's control groups (cgroup v2), by which every user process can be stopped at once. Commands are
// started in the group `tl` below the root; whatever runs inside may move them and make groups of its own
// (container engines do), so that stopping goes over all groups below the root. The agent and the kernel's
// threads are in the root group, which cannot be stopped; so is a user process that root has moved there, and
// it goes on. One thread; nothing here waits.
class ControlGroups {
 public:
  // Where cgroup2 and proc are mounted.
  explicit ControlGroups(std::string root = "/sys/fs/cgroup", std::string proc = "/proc")
      : root_(std::move(root)), proc_(std::move(proc)) {}

  // Makes the group of commands; again when somebody has removed it.
  Result<void> make();
  // For CLONE_INTO_CGROUP: the folder of the group of commands; -1 when there is no such group.
  [[nodiscard]] int entrance() const { return entrance_.get(); }
  // For who is about to start a command: it will not stop on its way in, even if somebody inside has frozen
  // the group.
  void keep_open() const;

  // Tells every group to stop, and says whether all have. To be called again until then; groups that are new
  // meanwhile are told too.
  Result<bool> stop();
  // What stop() has stopped goes on. Groups that were frozen by somebody else before stay so.
  Result<void> resume();
  // The groups that do not stop, for an error: "docker, tl".
  [[nodiscard]] std::string moving() const;

 private:
  Result<void> leave() const;
  // Whether there were any.
  [[nodiscard]] bool send_home_kernel_threads(const std::string& name) const;
  Result<void> tell(const std::string& name);
  [[nodiscard]] bool stopped(const std::string& name) const;
  [[nodiscard]] std::string file(const std::string& name, const char* what) const;

  enum class Frozen { kByUs, kBefore };
  std::string root_, proc_;
  UniqueFd entrance_;
  UniqueFd freezer_;  // of the group of commands, open in advance: each command asks for it
  std::map<std::string, Frozen> told_;
};

}  // namespace tl::guest
