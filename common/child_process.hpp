// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl {

// The absolute path of an executable: `name` itself when it has a slash, else searched in $PATH and then in
// the system's sbin folders, which an ordinary user's PATH lacks. kHostLacks when there is none.
Result<std::string> find_program(const std::string& name);

struct ChildSpec {
  // `ours` becomes descriptor `theirs` of the child.
  struct Fd {
    int theirs;
    int ours;
  };
  enum class Group {
    kInherit,     // a terminal's Ctrl-C reaches the child too
    kOwnGroup,    // kill() reaches everything the child starts
    kOwnSession,  // the same, and no controlling terminal
  };

  std::vector<std::string> argv;                        // argv[0] as for find_program()
  std::optional<std::vector<std::string>> environment;  // "NAME=value"; nullopt: ours
  std::string working_dir;                              // empty: ours
  // Only these and 0, 1, 2 stay open in the child. Of 0, 1, 2 the ones not named are /dev/null, ours, ours.
  std::vector<Fd> fds;
  Group group = Group::kInherit;
  enum class Signals {
    kDefault,  // each of them
    kAsOurs,   // but those that we ignore: for a program that sets the ones it cares for
  } signals = Signals::kDefault;
  // Sent by the kernel when the *thread* that called spawn() ends, so spawn from one that lives as long as
  // the child may.
  std::optional<int> death_signal;
};

struct ExitStatus {
  int code = 0;    // when signal is 0
  int signal = 0;  // the signal that killed it

  [[nodiscard]] bool success() const { return code == 0 && signal == 0; }
  // "exited with status 3", "was killed by signal 9 (Killed)".
  [[nodiscard]] std::string describe() const;
};

// A program we started and own: destroying the object kills (SIGKILL, the whole group when it has one of its
// own) and reaps it. The child starts with no signal blocked, and none caught. One thread at a time.
class ChildProcess {
 public:
  // Returns after a successful exec; a failed one (or a missing working_dir) is the error.
  static Result<ChildProcess> spawn(const ChildSpec& spec);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Readable once the child has ended: for poll(2) and event loops.
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }

  // To the group when it has one of its own, else to the child. Nothing happens when it was reaped before.
  void kill(int signal) const;

  // Reaps. Asking again gives the same answer.
  Result<ExitStatus> wait();
  // nullopt when the child still runs after `timeout`.
  Result<std::optional<ExitStatus>> wait_for(std::chrono::milliseconds timeout);

  // Gives up ownership: the child lives on when the object goes. It is a zombie until our process ends or
  // reaps it.
  pid_t detach();

 private:
  ChildProcess(pid_t pid, UniqueFd pidfd, bool own_group)
      : pid_(pid), pidfd_(std::move(pidfd)), own_group_(own_group) {}
  void end();

  pid_t pid_ = -1;  // -1: nothing owned
  UniqueFd pidfd_;
  bool own_group_ = false;
  std::optional<ExitStatus> status_;  // set once reaped
};

}  // namespace tl
