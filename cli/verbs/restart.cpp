// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/resuming.hpp"
#include "cli/signal_relay.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

struct Arguments {
  std::string sandbox;
  std::string process;
};

int restart(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  const ResumeFirst resume{(*relay)->fd(), tell_of_resuming(context, arguments.sandbox)};
  const auto pid = (*runtime)->restart_process(arguments.sandbox, arguments.process, resume);
  if (!pid) return context.fail(pid.error());
  context.out().line(std::to_string(*pid));
  return kSuccess;
}

}  // namespace

Command make_restart() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "restart";
  command.summary = "start a detached process anew";
  command.description =
      "Ends a process that was started with 'tl sbx exec --detach', as 'tl sbx kill' does, and starts the "
      "same "
      "command again; one that has ended is just started. Prints the new PID. Its log goes on, and "
      "--max-restarts "
      "and the back-off begin anew.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.operands.push_back(
      {.name = "PROCESS", .help = "the process's PID or name", .set = store(arguments->process)});
  command.examples = {{"tl sbx restart my-env web", "Restart the process called web."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict});
  command.call = [arguments](Context& context) { return restart(context, *arguments); };
  return command;
}

}  // namespace tl::cli
