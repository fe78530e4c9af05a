// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/port_view.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

enum class Form { kTable, kJson };

struct Arguments {
  std::string sandbox;
  Form form = Form::kTable;
};

int port_ls(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto sandbox = (*runtime)->describe(arguments.sandbox);
  if (!sandbox) return context.fail(sandbox.error());
  const Terminal terminal = context.out_terminal();
  if (arguments.form == Form::kJson) {
    context.out().write(json_text(ports_json(*sandbox)));
  } else if (terminal.is_terminal() && sandbox->record.exposed_ports.empty()) {
    context.out().line("No ports are exposed.");
  } else {
    context.out().write(port_table(*sandbox).text(terminal));
  }
  return kSuccess;
}

}  // namespace

Command make_port_ls() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "ls";
  command.aliases = {"list"};
  command.summary = "list the exposed ports of a sandbox";
  command.description =
      "Lists the exposed ports of a sandbox with their addresses here, which they have while the sandbox "
      "runs.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print an array of objects",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {{"tl sbx port ls my-env", "Which ports of my-env are held open, and where."}};
  command.exit_statuses = statuses({kNoSuchThing});
  command.call = [arguments](Context& context) { return port_ls(context, *arguments); };
  return command;
}

}  // namespace tl::cli
