// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/creation_flags.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/given_up.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/signal_relay.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

enum class Form { kText, kJson };

struct Arguments {
  CreateRequest request;
  Form form = Form::kText;
};

// For people at a terminal, on stderr: what there is now and what can be done with it.
void introduce(Context& context, const SandboxInfo& sandbox, std::chrono::duration<double> took) {
  const std::string& handle = handle_of(sandbox);
  Output& error = context.error();
  if (sandbox.record.status == registry::SandboxState::kRunning) {
    error.line(fmt::format("Sandbox {} is ready ({:.2f} s).", handle, took.count()));
  } else {
    error.line(fmt::format("Sandbox {} is starting.", handle));
  }
  if (sandbox.record.name) error.line(fmt::format("ID: {}", sandbox.record.sandbox_id));
  error.write(fmt::format("\nGet started:\n  tl sbx exec {} -- bash -c \"echo Hello, World!\"\n", handle));
  if (!sandbox.record.name) {
    error.line(fmt::format("  tl sbx name {} NAME  # to find it again by a name", handle));
  }
}

int create(Context& context, Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  arguments.request.signals = (*relay)->fd();

  const auto started = std::chrono::steady_clock::now();
  ProgressLine progress(context.error(), context.error_terminal());
  const auto created =
      (*runtime)->create(arguments.request, [&progress](std::string_view step) { progress.show(step); });
  progress.wipe();
  const auto took = std::chrono::steady_clock::now() - started;
  if (!created) return fail_or_given_up(context, created.error());
  for (const auto& warning : created->warnings) context.warn(warning);
  if (arguments.form == Form::kJson) {
    context.out().write(json_text(sandbox_json(created->sandbox)));
  } else if (context.out_terminal().is_terminal()) {
    introduce(context, created->sandbox, took);
  } else {
    context.out().line(created->sandbox.record.sandbox_id);
  }
  return kSuccess;
}

}  // namespace

Command make_create() {
  auto arguments = std::make_shared<Arguments>();
  CreateRequest& request = arguments->request;
  Command command;
  command.name = "create";
  command.aliases = {"new"};
  command.summary = "create a sandbox";
  command.description =
      "Starts a sandbox and waits until it takes commands. Its ID is printed on stdout when that is not a "
      "terminal. Without a NAME "
      "the sandbox is ephemeral; 'tl sbx name' gives it one later. When the start fails, or is interrupted, "
      "nothing is left behind.\n\n"
      "CPUs, memory and disk are fixed from here on. Names start with a lowercase letter and hold lowercase "
      "letters, digits and "
      "hyphens, at most 63 in all; they are free again when the sandbox is terminated.";
  command.operands.push_back({.name = "NAME",
                              .help = "a name to find the sandbox again",
                              .set = store(request.name),
                              .count = Operand::Count::kOptional});
  add_creation_flags(command, request, {"-i", "--image"});
  command.flags.push_back(
      {.names = {"-t", "--timeout"},
       .value = "SECS",
       .help =
           "SECS seconds after the sandbox started or was resumed, suspend it, or terminate it when it has "
           "no name; 0 is never (the default)",
       .set = store_whole(request.timeout_secs)});
  command.flags.push_back({.names = {"--idle-timeout"},
                           .value = "SECS",
                           .help = "the same, SECS seconds after it was last used; 0 is never (the default)",
                           .set = store_whole(request.idle_timeout_secs)});
  command.flags.push_back(
      {.names = {"-e", "--entrypoint"},
       .value = "WORD",
       .help = "a command to start with the sandbox, a word at a time: the process 'entrypoint' of 'tl sbx "
               "ps' and 'tl sbx logs' (default: what the image says)",
       .set = append(request.entrypoint),
       .repeats = Flag::Repeats::kMany});
  command.flags.push_back({.names = {"-n", "--no-wait"},
                           .value = "",
                           .help = "do not wait until the sandbox takes commands",
                           .set = choose(request.wait, CreateWait::kNoWait)});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print the sandbox as JSON",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {
      {"tl sbx create", "Create an ephemeral sandbox."},
      {"tl sbx create my-env --cpus 2 --memory 4096", "Create one called my-env with two CPUs and 4 GiB."},
      {"tl sbx create my-env --idle-timeout 900", "Create one that is suspended when nobody uses it."},
      {"tl sbx create -A pypi.org -A files.pythonhosted.org", "Create one that reaches these two only."},
      {"tl sbx create web -x 8000 -e python3 -e -m -e http.server", "Create one that serves its files."},
      {"tl sbx create --snapshot warm", "Create one from the snapshot called warm."},
      {"id=$(tl sbx create --timeout 300)", "Create one that is gone after five minutes, and keep its ID."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kBadValue, kHostLacks});
  command.exit_statuses.push_back({"128+n", "signal n came before the sandbox was up"});
  command.call = [arguments](Context& context) { return create(context, *arguments); };
  return command;
}

}  // namespace tl::cli
