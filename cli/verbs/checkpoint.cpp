// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/snapshot_view.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

enum class Form { kText, kJson };

struct Arguments {
  std::string sandbox;
  CheckpointRequest request;
  Form form = Form::kText;
};

int checkpoint(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto started = std::chrono::steady_clock::now();
  ProgressLine progress(context.error(), context.error_terminal());
  progress.show("making a snapshot");
  const auto made = (*runtime)->checkpoint(arguments.sandbox, arguments.request);
  progress.wipe();
  if (!made) return context.fail(made.error());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  if (arguments.form == Form::kJson) {
    context.out().write(json_text(snapshot_json(*made)));
  } else if (context.out_terminal().is_terminal()) {
    context.error().line(fmt::format("Created snapshot {} of sandbox {} ({:.2f} s).", made->snapshot_id,
                                     made->sandbox_name ? *made->sandbox_name : made->sandbox_id,
                                     took.count()));
    context.error().write(
        fmt::format("\nCreate a sandbox from it:\n  tl sbx create --snapshot {}\n", handle_of(*made)));
  } else {
    context.out().line(made->snapshot_id);
  }
  return kSuccess;
}

}  // namespace

Command make_checkpoint() {
  auto arguments = std::make_shared<Arguments>();
  CheckpointRequest& request = arguments->request;
  Command command;
  command.name = "checkpoint";
  command.aliases = {"snapshot"};
  command.summary = "keep what a sandbox is now, to make others from it";
  command.description =
      "Makes a snapshot of a running or suspended sandbox, which goes on as it was, and prints the "
      "snapshot's "
      "ID on stdout when that is not a terminal. 'tl sbx create --snapshot' makes sandboxes from it. A "
      "filesystem snapshot has the disk: a sandbox made from it boots, and may have other CPUs and memory. A "
      "memory snapshot has the running processes too: they go on in each sandbox made from it, with the "
      "CPUs, "
      "memory and disk that they had. Snapshots outlive their sandbox.\n\n"
      "A first word that is exactly the name of a command below, or its other name (list, delete), is that "
      "command; any other is the ID. A sandbox that is called like one of them is meant after '--': "
      "'tl sbx checkpoint -- ls'.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.flags.push_back(
      {.names = {"--checkpoint-type"},
       .value = "filesystem|memory",
       .help = "what is kept: the disk, or the running processes too (default filesystem)",
       .set = choose_word(request.type, {{"filesystem", CheckpointType::kFilesystem},
                                         {"memory", CheckpointType::kMemory}})});
  command.flags.push_back({.names = {"-t", "--timeout"},
                           .value = "SECS",
                           .help = "give up after SECS seconds, and leave nothing behind (default 600)",
                           .set = store_seconds(request.limit)});
  command.flags.push_back({.names = {"--name"},
                           .value = "NAME",
                           .help = "a name to find the snapshot again, as a sandbox's",
                           .set = store(request.name)});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print the snapshot as JSON",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {
      {"tl sbx checkpoint my-env", "Keep the disk of my-env."},
      {"tl sbx checkpoint my-env --checkpoint-type memory --name warm", "Keep its processes too, as warm."},
      {"tl sbx create --snapshot warm", "Make a sandbox in which they go on."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kBadValue, kHostLacks});
  command.subcommands.push_back(make_checkpoint_ls());
  command.subcommands.push_back(make_checkpoint_rm());
  command.call = [arguments](Context& context) { return checkpoint(context, *arguments); };
  return command;
}

}  // namespace tl::cli
