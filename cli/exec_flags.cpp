// SPDX-License-Identifier: Apache-2.0
#include "cli/exec_flags.hpp"

#include <utility>

#include "cli/table.hpp"
#include "cli/terminal_verbs.hpp"
#include "cli/values.hpp"

namespace tl::cli {
void add_exec_flags(Command& command, ExecOptions& options,
                    const std::vector<std::string>& interactive_names) {
  command.flags.push_back(
      {.names = {"-t", "--timeout"},
       .value = "SECS",
       .help = "end the command and all that it started after SECS seconds: SIGTERM, then SIGKILL",
       .set = store_seconds(options.timeout)});
  command.flags.push_back({.names = {"-w", "--workdir"},
                           .value = "DIR",
                           .help = "working directory inside (default: the image's)",
                           .set = store(options.working_directory)});
  command.flags.push_back({.names = {"-e", "--env"},
                           .value = "KEY=VALUE",
                           .help = "set an environment variable; may be repeated",
                           .set = append_assignment(options.environment),
                           .repeats = Flag::Repeats::kMany});
  command.flags.push_back({.names = {"--user"},
                           .value = "USER[:GROUP]",
                           .help = "user inside (default: the image's)",
                           .set = store(options.user)});
  command.flags.push_back({.names = interactive_names,
                           .value = "",
                           .help = "pass stdin on to the command; without it the command's stdin is empty",
                           .set = choose(options.stdin_mode, StdinMode::kForward)});
  command.flags.push_back({.names = {"--tty"},
                           .value = "",
                           .help = "give the command a terminal; with one on stdin here, the keys go to it",
                           .set = choose(options.terminal, TerminalUse::kInside)});
  command.tail = {.name = "COMMAND",
                  .help = "the command and its arguments; flags of tl end here. No shell is involved",
                  .set = [&options](std::vector<std::string> words) { options.command = std::move(words); }};
}

void settle_terminal(const Context& context, ExecOptions& options) {
  if (options.terminal == TerminalUse::kNone) return;
  if (context.in_terminal().is_terminal()) options.terminal = TerminalUse::kBothSides;
  auto environment = terminal_environment();
  environment.insert(environment.end(), options.environment.begin(), options.environment.end());
  options.environment = std::move(environment);
}

int report_outcome(Context& context, const ExecOutcome& outcome) {
  if (!outcome.failure.empty()) {
    print_error(context.error(), context.error_terminal(), printable(outcome.failure), {});
  }
  return outcome.exit_code;
}

}  // namespace tl::cli
