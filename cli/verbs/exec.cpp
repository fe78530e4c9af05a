// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "cli/context.hpp"
#include "cli/exec_flags.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/signal_relay.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

struct Arguments {
  std::string sandbox;
  ExecOptions options;
};

int exec(Context& context, Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  arguments.options.signals = (*relay)->fd();
  if (context.error_terminal().is_terminal()) {
    arguments.options.progress = [&context, &arguments, told = false](std::string_view) mutable {
      if (std::exchange(told, true)) return;
      context.error().line(fmt::format("Resuming sandbox {}...", arguments.sandbox));
      static_cast<void>(context.error().flush());
    };
  }
  const auto outcome = (*runtime)->exec(arguments.sandbox, arguments.options);
  return outcome ? report_outcome(context, *outcome) : context.fail(outcome.error());
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
      "hung up.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  add_exec_flags(command, arguments->options, {"-i", "--interactive"});
  command.examples = {
      {"tl sbx exec my-env ls -l /workspace", "List a folder inside."},
      {"tl sbx exec my-env -e LEVEL=3 -w /tmp -- bash -c 'echo $LEVEL; pwd'", "Run a shell command inside."},
      {"tl sbx exec my-env -i -- tar x < files.tar", "Feed a command from outside."}};
  command.exit_statuses = command_statuses();
  command.failures = Command::Failures::k125;
  command.call = [arguments](Context& context) { return exec(context, *arguments); };
  return command;
}

}  // namespace tl::cli
