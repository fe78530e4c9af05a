// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/resuming.hpp"
#include "cli/signal_names.hpp"
#include "cli/signal_relay.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

struct Arguments {
  std::string sandbox;
  std::string process;
  std::optional<int> signal;
};

int kill(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  const ResumeFirst resume{(*relay)->fd(), tell_of_resuming(context, arguments.sandbox)};
  const auto ended = (*runtime)->end_process(arguments.sandbox, arguments.process, arguments.signal, resume);
  if (!ended) return context.fail(ended.error());
  if (arguments.signal) {
    context.out().line(
        fmt::format("Sent {} to process {}.", signal_name(*arguments.signal), arguments.process));
  } else {
    context.out().line(fmt::format("Killed process {}.", arguments.process));
  }
  return kSuccess;
}

}  // namespace

Command make_kill() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "kill";
  command.summary = "end a process, or send it a signal";
  command.description =
      "Ends a process that 'tl sbx exec' has started, and all of its process group: SIGTERM, and SIGKILL two "
      "seconds later. Returns when it has ended. It is not started again, whatever --restart said.\n\n"
      "With --signal only that signal is sent, to the whole group. TERM, KILL, INT and QUIT keep a process "
      "from "
      "being started again; others, such as HUP, do not.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.operands.push_back(
      {.name = "PROCESS", .help = "the process's PID or name", .set = store(arguments->process)});
  command.flags.push_back({.names = {"--signal"},
                           .value = "SIG",
                           .help = "send only this signal, by name or number",
                           .set = store_signal(arguments->signal)});
  command.examples = {
      {"tl sbx kill my-env web", "End the process called web."},
      {"tl sbx kill my-env 412 --signal HUP", "Have process 412 read its configuration again."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kBadValue});
  command.call = [arguments](Context& context) { return kill(context, *arguments); };
  return command;
}

}  // namespace tl::cli
