// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

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

enum class Form { kText, kJson };

struct Arguments {
  std::string sandbox;
  CopyRequest request;
  Form form = Form::kText;
};

void print_json(Context& context, const std::vector<Created>& copies) {
  auto json = nlohmann::ordered_json::array();
  for (const auto& copy : copies) json.push_back(sandbox_json(copy.sandbox));
  context.out().write(json_text(json));
}

void print_handles(Context& context, const std::vector<Created>& copies) {
  std::string handles;
  for (const auto& copy : copies) handles += (handles.empty() ? "" : ", ") + handle_of(copy.sandbox);
  context.out().line("Created sandboxes: " + handles);
}

int copy(Context& context, Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  arguments.request.signals = (*relay)->fd();
  ProgressLine progress(context.error(), context.error_terminal());
  const auto copies = (*runtime)->copy(arguments.sandbox, arguments.request,
                                       [&progress](std::string_view step) { progress.show(step); });
  progress.wipe();
  if (!copies) return fail_or_given_up(context, copies.error());
  for (const auto& each : *copies) {
    for (const auto& warning : each.warnings) context.warn(warning);
  }
  if (arguments.form == Form::kJson) {
    print_json(context, *copies);
  } else if (context.out_terminal().is_terminal()) {
    print_handles(context, *copies);
  } else {
    for (const auto& each : *copies) context.out().line(each.sandbox.record.sandbox_id);
  }
  return kSuccess;
}

}  // namespace

Command make_copy() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "copy";
  command.summary = "make copies of a sandbox, running processes and all";
  command.description =
      "Makes sandboxes that go on from where a running or suspended one is now, which itself goes on as it "
      "was. Each has an identity of its own: ID, host name, machine ID, randomness. Copies of a sandbox "
      "called my-env are called my-env-copy, or my-env-copy-1, my-env-copy-2 and so on when there are "
      "several. When one cannot be made, or on an interrupt, none is left.\n\n"
      "The IDs of the copies are printed on stdout, one a line, when that is not a terminal.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.flags.push_back({.names = {"-n"},
                           .value = "N",
                           .help = "how many, 1 to 1000 (default 1)",
                           .set = store_whole(arguments->request.copies)});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print a JSON array of the copies",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {{"tl sbx copy my-env", "Make one copy, called my-env-copy."},
                      {"tl sbx copy my-env -n 4", "Make four."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kBadValue, kHostLacks});
  command.exit_statuses.push_back({"128+n", "signal n came before the copies were up"});
  command.call = [arguments](Context& context) { return copy(context, *arguments); };
  return command;
}

}  // namespace tl::cli
