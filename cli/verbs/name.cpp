// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include <fmt/format.h>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

struct Arguments {
  std::string sandbox;
  std::string new_name;
};

int name(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto renamed = (*runtime)->rename(arguments.sandbox, arguments.new_name);
  if (!renamed) return context.fail(renamed.error());
  if (context.out_terminal().is_terminal()) {
    context.error().line(fmt::format("Sandbox {} is now named {}.", arguments.sandbox, arguments.new_name));
  } else {
    context.out().line(arguments.new_name);
  }
  return kSuccess;
}

}  // namespace

Command make_name() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "name";
  command.summary = "give a sandbox a name, or another one";
  command.description =
      "Names an ephemeral sandbox or renames a named one. Its ID stays, and what runs inside does not "
      "notice. The new name is printed "
      "on stdout when that is not a terminal.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or present name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.operands.push_back(
      {.name = "NEW", .help = "the name it is to have", .set = store(arguments->new_name)});
  command.examples = {{"tl sbx name my-env new-name", "Rename my-env."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kBadValue});
  command.call = [arguments](Context& context) { return name(context, *arguments); };
  return command;
}

}  // namespace tl::cli
