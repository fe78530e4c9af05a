// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_statuses.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {

Command make_port() {
  Command command;
  command.name = "port";
  command.summary = "hold ports of a sandbox open here, and list those that are";
  command.description =
      "An exposed port of a sandbox is a port of this machine's 127.0.0.1 for as long as the sandbox runs: "
      "the "
      "one of the same number, or where that is taken or reserved for root any that is free. What connects "
      "to "
      "it is connected to whoever listens inside, on the sandbox's own loopback or on all its addresses. "
      "'tl sbx create --expose' does the same from the beginning, and 'tl sbx tunnel' for as long as it "
      "runs.";
  command.examples = {{"tl sbx port expose my-env 8000", "Hold port 8000 of my-env open here."},
                      {"tl sbx port ls my-env", "Which ports are held open, and where."}};
  command.exit_statuses = group_statuses();
  command.subcommands.push_back(make_port_ls());
  command.subcommands.push_back(make_port_expose());
  command.subcommands.push_back(make_port_rm());
  return command;
}

}  // namespace tl::cli
