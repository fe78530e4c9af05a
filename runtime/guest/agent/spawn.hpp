// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/guest/agent/users.hpp"
#include "runtime/guest/protocol/messages.hpp"

namespace tl::guest {

// Whether stdin becomes the terminal that controls the new session.
enum class ControllingTerminal { kNone, kStdin };

// Everything a new process is given. Its session and process group are its own; signals have their default
// dispositions and none is blocked; umask 022; the limit of open files is kOpenFiles.
struct SpawnSpec {
  std::vector<std::string>
      argv;             // argv[0] is looked up in PATH of `environment`, as the user, in working_directory
  int program_fd = -1;  // this file is executed instead, whatever argv[0] is; -1: none
  std::vector<std::string> environment;  // NAME=value
  std::string working_directory;
  bool directory_may_lack = false;  // then / is taken instead
  User user;
  int stdin_fd = -1, stdout_fd = -1, stderr_fd = -1;  // ours, above 2
  ControllingTerminal terminal = ControllingTerminal::kNone;
  int group_fd = -1;  // the folder of the control group that it is born into; -1: ours
};

struct Spawned {
  pid_t pid = -1;  // -1: it did not start, and `failure` says why
  ExecFailure failure;
  bool in_group = true;  // false: it could not be born into its control group, and is in ours
};

// Starts processes without copying our page tables (CLONE_VM | CLONE_VFORK): we stand still until the child
// has called execve or failed, and learn its error through the memory we share. One thread.
class Spawner {
 public:
  Spawner();
  ~Spawner();
  Spawner(const Spawner&) = delete;
  Spawner& operator=(const Spawner&) = delete;

  Spawned spawn(const SpawnSpec& spec);

 private:
  void* stack_;
};

// The request's environment on top of what every command of this user gets (HOME, USER, LOGNAME, SHELL,
// PATH).
std::vector<std::string> environment_of(const ExecRequest& request, const User& user);

}  // namespace tl::guest
