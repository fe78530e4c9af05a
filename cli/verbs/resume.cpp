// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/given_up.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/signal_relay.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

struct Arguments {
  std::string sandbox;
  CreateWait wait = CreateWait::kReady;
};

// For people at a terminal, on stderr.
void report(Context& context, const SandboxInfo& sandbox, std::chrono::duration<double> took) {
  const std::string& handle = handle_of(sandbox);
  if (sandbox.record.status != registry::SandboxState::kRunning) {
    context.error().line(fmt::format("Sandbox {} is being resumed.", handle));
    return;
  }
  context.error().line(fmt::format("Resumed sandbox {} ({:.2f} s).", handle, took.count()));
}

int resume(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  const auto started = std::chrono::steady_clock::now();
  ProgressLine progress(context.error(), context.error_terminal());
  const auto resumed = (*runtime)->resume(arguments.sandbox, arguments.wait, (*relay)->fd(),
                                          [&progress](std::string_view step) { progress.show(step); });
  progress.wipe();
  if (!resumed) return fail_or_given_up(context, resumed.error());
  if (resumed->memory_lost) {
    context.warn(fmt::format("the processes of sandbox {} are gone and it was started from its disk: {}",
                             handle_of(resumed->sandbox), printable(*resumed->memory_lost)));
  }
  if (context.out_terminal().is_terminal()) {
    report(context, resumed->sandbox, std::chrono::steady_clock::now() - started);
  } else {
    context.out().line(resumed->sandbox.record.sandbox_id);
  }
  return kSuccess;
}

}  // namespace

Command make_resume() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "resume";
  command.summary = "let a suspended sandbox go on";
  command.description =
      "Lets the processes of a suspended sandbox go on where they were, with their memory, open files and "
      "timers; the clock inside is right again. Timeouts start anew. A sandbox that is running already is "
      "fine. When its memory was lost, because it or this machine was killed, it is started from its disk, "
      "and a warning on stderr says so. Interrupted, it stays suspended.\n\n"
      "The ID is printed on stdout when that is not a terminal. 'tl sbx exec' resumes a suspended sandbox by "
      "itself.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.flags.push_back({.names = {"-n", "--no-wait"},
                           .value = "",
                           .help = "do not wait until the sandbox takes commands",
                           .set = choose(arguments->wait, CreateWait::kNoWait)});
  command.examples = {{"tl sbx resume my-env", "Go on with the sandbox called my-env."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kHostLacks});
  command.exit_statuses.push_back({"128+n", "signal n came before the sandbox was up"});
  command.call = [arguments](Context& context) { return resume(context, *arguments); };
  return command;
}

}  // namespace tl::cli
