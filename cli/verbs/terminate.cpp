// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

struct Arguments {
  std::vector<std::string> sandboxes;
};

int terminate(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  int exit_code = kSuccess;
  for (const auto& sandbox : arguments.sandboxes) {
    const auto terminated = (*runtime)->terminate(sandbox);
    if (!terminated) {
      const int failure = context.fail(terminated.error());
      if (exit_code == kSuccess) exit_code = failure;
    } else if (context.out_terminal().is_terminal()) {
      context.error().line(fmt::format("Terminated sandbox {}.", sandbox));
      static_cast<void>(context.error().flush());
    } else {
      context.out().line(terminated->record.sandbox_id);
      static_cast<void>(context.out().flush());
    }
  }
  return exit_code;
}

}  // namespace

Command make_terminate() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "terminate";
  command.aliases = {"stop"};
  command.summary = "end sandboxes for good";
  command.description =
      "Ends each sandbox at once and frees its memory and disk. There is no way back. A sandbox that is "
      "terminated already is fine. A "
      "failure does not keep the others from being terminated; the exit status is that of the first. The IDs "
      "of those that are terminated are printed on stdout when that "
      "is not a terminal.";
  command.operands.push_back({.name = "ID",
                              .help = "IDs or names of sandboxes",
                              .set = append(arguments->sandboxes),
                              .count = Operand::Count::kOneOrMore,
                              .completes = Completes::kSandbox});
  command.examples = {{"tl sbx terminate my-env", "Terminate the sandbox called my-env."},
                      {"tl sbx terminate $(tl sbx ls -q)", "Terminate every sandbox."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict});
  command.call = [arguments](Context& context) { return terminate(context, *arguments); };
  return command;
}

}  // namespace tl::cli
