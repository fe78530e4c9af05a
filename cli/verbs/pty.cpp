// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_statuses.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {

Command make_pty() {
  Command command;
  command.name = "pty";
  command.summary = "list, rejoin and end the terminal sessions of a sandbox";
  command.description =
      "A session is a shell or another command that was given a terminal, by 'tl sbx ssh' or 'tl sbx exec "
      "--tty'. It goes on when its client dies or loses the connection, and through a suspend of the "
      "sandbox. "
      "One that nobody has been attached to for 300 seconds is hung up.";
  command.examples = {{"tl sbx pty ls my-env", "List the sessions of my-env."},
                      {"tl sbx pty attach my-env 412", "Go on with one."}};
  command.exit_statuses = group_statuses();
  command.subcommands.push_back(make_pty_ls());
  command.subcommands.push_back(make_pty_attach());
  command.subcommands.push_back(make_pty_rm());
  return command;
}

}  // namespace tl::cli
