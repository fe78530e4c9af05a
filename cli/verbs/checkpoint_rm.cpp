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
  std::vector<std::string> snapshots;
};

int checkpoint_rm(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  int exit_code = kSuccess;
  for (const auto& snapshot : arguments.snapshots) {
    const auto removed = (*runtime)->remove_checkpoint(snapshot);
    if (!removed) {
      const int failure = context.fail(removed.error());
      if (exit_code == kSuccess) exit_code = failure;
    } else if (context.out_terminal().is_terminal()) {
      context.error().line(fmt::format("Removed snapshot {}.", snapshot));
      static_cast<void>(context.error().flush());
    } else {
      context.out().line(removed->snapshot_id);
      static_cast<void>(context.out().flush());
    }
  }
  return exit_code;
}

}  // namespace

Command make_checkpoint_rm() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "rm";
  command.aliases = {"delete"};
  command.summary = "remove snapshots";
  command.description =
      "Removes each snapshot. One that a sandbox was made from stays until that sandbox is terminated. A "
      "failure does not keep the others from being removed; the exit status is that of the first. The IDs of "
      "those that are removed are printed on stdout when that is not a terminal.";
  command.operands.push_back({.name = "ID",
                              .help = "IDs or names of snapshots",
                              .set = append(arguments->snapshots),
                              .count = Operand::Count::kOneOrMore,
                              .completes = Completes::kSnapshot});
  command.examples = {{"tl sbx checkpoint rm warm", "Remove the snapshot called warm."},
                      {"tl sbx checkpoint rm $(tl sbx checkpoint ls -q)", "Remove every one."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict});
  command.call = [arguments](Context& context) { return checkpoint_rm(context, *arguments); };
  return command;
}

}  // namespace tl::cli
