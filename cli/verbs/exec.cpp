// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "cli/context.hpp"
#include "cli/detach_flags.hpp"
#include "cli/exec_flags.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/resuming.hpp"
#include "cli/signal_relay.hpp"
#include "cli/terminal_verbs.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

struct Arguments {
  std::string sandbox;
  ExecOptions options;
  DetachFlags detach;
};

int exec(Context& context, Arguments& arguments) {
  if (auto settled = settle_detachment(arguments.detach, arguments.options); !settled) {
    return context.fail(settled.error());
  }
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  arguments.options.signals = (*relay)->fd();
  arguments.options.progress = tell_of_resuming(context, arguments.sandbox);
  settle_terminal(context, arguments.options);
  const auto outcome = (*runtime)->exec(arguments.sandbox, arguments.options);
  if (!outcome) return context.fail(outcome.error());
  if (outcome->detached_pid) context.out().line(std::to_string(*outcome->detached_pid));
  tell_of_session_left(context, arguments.sandbox, *outcome);
  return report_outcome(context, *outcome);
}

}  // namespace

Command make_exec() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "exec";
  command.summary = "run a command in a sandbox";
  command.description =
      "Runs COMMAND in a sandbox, which is resumed first when it is suspended, and waits for its end. Its "
      "stdout and stderr come out of tl's own, "
      "byte for byte and as they "
      "come; its exit code becomes tl's. Flags of tl end at COMMAND: all that follows belongs to it. No "
      "shell is involved; for one, "
      "make it the command.\n\n"
      "Ctrl-C, and SIGTERM, SIGHUP and SIGQUIT sent to tl, reach the command. When tl dies, the command is "
      "hung up.\n\n"
      "With --tty the command has a terminal, and its stdout and stderr are one. When stdin here is a "
      "terminal too, every key goes to the command, Ctrl-C as well, and a signal ends tl only: the command "
      "goes "
      "on as a session of 'tl sbx pty'. Otherwise the terminal inside has 24 rows and 80 columns, and what "
      "is "
      "typed there is stdin with -i, and nothing without.\n\n"
      "With --detach the command is left running, and its PID is printed. Its stdin is empty, and its output "
      "goes to a log that 'tl sbx logs' shows. 'tl sbx ps' lists such processes, 'kill' and 'restart' take "
      "the "
      "PID or the name. --restart has it started again when it ends, after a pause that doubles each time, "
      "until it has run for ten seconds. All of it goes on when the sandbox is suspended and resumed; when "
      "the "
      "sandbox boots it is gone. It does not keep the sandbox from its timeouts.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  add_exec_flags(command, arguments->options, {"-i", "--interactive"});
  add_detach_flags(command, arguments->detach);
  command.examples = {
      {"tl sbx exec my-env ls -l /workspace", "List a folder inside."},
      {"tl sbx exec my-env -e LEVEL=3 -w /tmp -- bash -c 'echo $LEVEL; pwd'", "Run a shell command inside."},
      {"tl sbx exec my-env --tty top", "Watch its processes."},
      {"tl sbx exec my-env --detach --name web --restart on-failure -- python3 -m http.server",
       "Leave a server running."},
      {"tl sbx exec my-env -i -- tar x < files.tar", "Feed a command from outside."}};
  command.exit_statuses = command_statuses();
  command.failures = Command::Failures::k125;
  command.call = [arguments](Context& context) { return exec(context, *arguments); };
  return command;
}

}  // namespace tl::cli
