// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/context.hpp"
#include "runtime/sandbox/info.hpp"

// What verbs that join a terminal here to one in a sandbox share: exec --tty, run --tty, ssh, pty attach.
namespace tl::cli {

// What programs inside are to know of the terminal here: TERM, "xterm" where we have none, and COLORTERM.
std::vector<std::pair<std::string, std::string>> terminal_environment();

// Refuses a stdin that is not a terminal; the exit code, which is that of a wrong command line.
int refuse_without_terminal(Context& context, const std::string& command, const std::string& cure);

// On a terminal, how to go on with a session that we left.
void tell_of_session_left(Context& context, const std::string& sandbox, const ExecOutcome& outcome);

}  // namespace tl::cli
