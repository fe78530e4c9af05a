// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/sandbox_view.hpp"
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
  if (sandbox.record.status != registry::SandboxState::kSuspended) {
    context.error().line(fmt::format("Sandbox {} is being suspended.", handle));
    return;
  }
  context.error().line(fmt::format("Suspended sandbox {} ({:.2f} s).", handle, took.count()));
  context.error().write(fmt::format("\nGo on with it:\n  tl sbx resume {}\n", handle));
}

int suspend(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto started = std::chrono::steady_clock::now();
  ProgressLine progress(context.error(), context.error_terminal());
  progress.show("suspending");
  const auto suspended = (*runtime)->suspend(arguments.sandbox, arguments.wait);
  progress.wipe();
  if (!suspended) return context.fail(suspended.error());
  if (context.out_terminal().is_terminal()) {
    report(context, *suspended, std::chrono::steady_clock::now() - started);
  } else {
    context.out().line(suspended->record.sandbox_id);
  }
  return kSuccess;
}

}  // namespace

Command make_suspend() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "suspend";
  command.summary = "put a sandbox aside as it is";
  command.description =
      "Writes the memory of a running sandbox to disk and ends its machine: it takes no CPU and no memory "
      "until 'tl sbx resume', or a command run in it, lets its processes go on where they were. A sandbox "
      "that is suspended already is fine. One without a name cannot be suspended: 'tl sbx name' gives it "
      "one. "
      "The ID is printed on stdout when that is not a terminal.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.flags.push_back({.names = {"-n", "--no-wait"},
                           .value = "",
                           .help = "do not wait until it is suspended",
                           .set = choose(arguments->wait, CreateWait::kNoWait)});
  command.examples = {{"tl sbx suspend my-env", "Put the sandbox called my-env aside."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kHostLacks});
  command.call = [arguments](Context& context) { return suspend(context, *arguments); };
  return command;
}

}  // namespace tl::cli
