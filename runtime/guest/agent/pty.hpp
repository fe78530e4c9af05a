// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/agent/users.hpp"
#include "runtime/guest/protocol/messages.hpp"

namespace tl::guest {

// A pseudo-terminal (pty(7)): what a program takes for a terminal, and our end of it.
struct Pty {
  UniqueFd master;  // ours, non-blocking
  UniqueFd slave;   // the program's, blocking; belongs to the user

  // In the usual mode for people: lines, echo, UTF-8, signals by Ctrl-C and its like.
  static Result<Pty> open(TerminalSize size, const User& user);
};

// On a master. Those inside get SIGWINCH when it is a change.
void set_terminal_size(int master, TerminalSize size);
// To the group that the terminal's keys work on.
void signal_foreground(int master, int number);
// That group; -1: there is none.
pid_t foreground_group(int master);
// The character that ends the input.
std::byte end_of_input(int master);

}  // namespace tl::guest
