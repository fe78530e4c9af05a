// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <memory>
#include <string>

#include "cli/context.hpp"
#include "cli/exec_flags.hpp"
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
  std::uint32_t session = 0;
};

int pty_attach(Context& context, const Arguments& arguments) {
  if (!context.in_terminal().is_terminal()) {
    return refuse_without_terminal(context, "tl sbx pty attach", "run it at a terminal, not in a pipe");
  }
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  const auto outcome = (*runtime)->attach(arguments.sandbox, arguments.session,
                                          {(*relay)->fd(), tell_of_resuming(context, arguments.sandbox)});
  if (!outcome) return context.fail(outcome.error());
  tell_of_session_left(context, arguments.sandbox, *outcome);
  return report_outcome(context, *outcome);
}

}  // namespace

Command make_pty_attach() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "attach";
  command.summary = "go on with a terminal session";
  command.description =
      "Joins the terminal here to a session of a sandbox, as 'tl sbx ssh' does, beside those who are "
      "attached "
      "already. The last of its output is shown again, up to 256 KiB. The sandbox is resumed first when it "
      "is "
      "suspended.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.operands.push_back(
      {.name = "SESSION", .help = "the session's ID", .set = store_whole(arguments->session)});
  command.examples = {{"tl sbx pty attach my-env 412", "Go on with session 412 of my-env."}};
  command.exit_statuses = command_statuses();
  command.exit_statuses.insert(command.exit_statuses.begin() + 1, {"2", "stdin is not a terminal"});
  command.failures = Command::Failures::k125;
  command.call = [arguments](Context& context) { return pty_attach(context, *arguments); };
  return command;
}

}  // namespace tl::cli
