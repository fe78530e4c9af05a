// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include <fmt/format.h>

#include "cli/context.hpp"
#include "cli/creation_flags.hpp"
#include "cli/exec_flags.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/signal_relay.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

enum class Afterwards { kTerminate, kKeep };

struct Arguments {
  CreateRequest request;
  ExecOptions options;
  Afterwards afterwards = Afterwards::kTerminate;
};

// A signal that came while no command was there to take it ends us as it would have without a handler.
int fail_or_interrupted(Context& context, const Error& error) {
  const auto signal = SignalRelay::received();
  return signal ? exit_code_of_signal(*signal) : context.fail(error);
}

int run_in(Context& context, Runtime& runtime, const std::string& id, const ExecOptions& options) {
  const auto signal = SignalRelay::received();
  if (signal) return exit_code_of_signal(*signal);
  const auto outcome = runtime.exec(id, options);
  return outcome ? report_outcome(context, *outcome) : fail_or_interrupted(context, outcome.error());
}

int run(Context& context, Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay =
      SignalRelay::start();  // to the very end, so that nothing can come between us and terminate
  if (!relay) return context.fail(relay.error());
  arguments.request.signals = (*relay)->fd();
  arguments.options.signals = (*relay)->fd();
  settle_terminal(context, arguments.options);
  // Even kill -9 of tl ends the sandbox then.
  if (arguments.afterwards == Afterwards::kTerminate) arguments.request.lifetime = SandboxLifetime::kCreators;

  ProgressLine progress(context.error(), context.error_terminal());
  const auto created =
      (*runtime)->create(arguments.request, [&progress](std::string_view step) { progress.show(step); });
  progress.wipe();
  if (!created) return fail_or_interrupted(context, created.error());
  for (const auto& warning : created->warnings) context.warn(warning);
  const std::string& id = created->sandbox.record.sandbox_id;

  const int exit_code = run_in(context, **runtime, id, arguments.options);
  if (arguments.afterwards == Afterwards::kKeep) {
    context.error().line(fmt::format("Sandbox {} kept alive.", id));
    return exit_code;
  }
  const auto terminated = (*runtime)->terminate(id);
  return terminated ? exit_code : context.fail(terminated.error());
}

}  // namespace

Command make_run() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "run";
  command.summary = "run one command in a sandbox of its own";
  command.description =
      "Creates an ephemeral sandbox, runs COMMAND in it as 'tl sbx exec' does, and terminates it, whatever "
      "happens: Ctrl-C leaves "
      "nothing behind either. Without a COMMAND it is the image's: its ENTRYPOINT and CMD. Flags of tl end "
      "at COMMAND.";
  arguments->request.image_entrypoint = ImageEntrypoint::kLeave;
  add_creation_flags(command, arguments->request, {"-i", "--image"});
  add_exec_flags(command, arguments->options, {"--interactive"});
  command.tail.needed = Tail::Needed::kNo;
  command.flags.push_back({.names = {"-k", "--keep"},
                           .value = "",
                           .help = "do not terminate the sandbox; its ID is printed on stderr",
                           .set = choose(arguments->afterwards, Afterwards::kKeep)});
  command.flags.push_back(
      {.names = {"--detach"},
       .value = "",
       .help = {},
       .unavailable_until =
           "run ends its sandbox with the command: use 'tl sbx create' and 'tl sbx exec --detach'"});
  command.examples = {{"tl sbx run echo hello", "Say hello from a sandbox."},
                      {"tl sbx run --cpus 2 --timeout 60 -- python3 -c 'print(1 + 1)'",
                       "With two CPUs, for a minute at most."}};
  command.exit_statuses = command_statuses();
  command.failures = Command::Failures::k125;
  command.call = [arguments](Context& context) { return run(context, *arguments); };
  return command;
}

}  // namespace tl::cli
