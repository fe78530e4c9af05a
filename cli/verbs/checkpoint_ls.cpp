// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <memory>

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

enum class Form { kTable, kIdentifiers, kJson };

struct Arguments {
  Form form = Form::kTable;
};

void print_table(Context& context, const SnapshotList& list) {
  const Terminal terminal = context.out_terminal();
  const std::size_t count = list.snapshots.size();
  if (!terminal.is_terminal() || count != 0) {
    context.out().write(snapshot_table(list.snapshots, context.now(), terminal).text(terminal));
  }
  if (!terminal.is_terminal()) return;
  context.out().line(count == 0 ? "No snapshots found."
                                : fmt::format("{} snapshot{}", count, count == 1 ? "" : "s"));
}

void print_json(Context& context, const SnapshotList& list) {
  auto json = nlohmann::ordered_json::array();
  for (const auto& snapshot : list.snapshots) json.push_back(snapshot_json(snapshot));
  context.out().write(json_text(json));
}

int checkpoint_ls(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto list = (*runtime)->checkpoints();
  if (!list) return context.fail(list.error());
  switch (arguments.form) {
    case Form::kTable:
      print_table(context, *list);
      break;
    case Form::kJson:
      print_json(context, *list);
      break;
    case Form::kIdentifiers:
      for (const auto& snapshot : list->snapshots) context.out().line(snapshot.snapshot_id);
      break;
  }
  static_cast<void>(context.out().flush());
  for (const auto& problem : list->problems) context.warn(printable(problem));
  return kSuccess;
}

}  // namespace

Command make_checkpoint_ls() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "ls";
  command.aliases = {"list"};
  command.summary = "list snapshots";
  command.description =
      "Lists the snapshots that 'tl sbx create --snapshot' takes, newest first: in columns on a terminal, "
      "with tabs between them in a pipe.";
  command.flags.push_back({.names = {"-q", "--quiet"},
                           .value = "",
                           .help = "only IDs, one a line",
                           .set = choose(arguments->form, Form::kIdentifiers)});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print a JSON array of snapshots",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {{"tl sbx checkpoint ls", "List the snapshots."},
                      {"tl sbx checkpoint rm $(tl sbx checkpoint ls -q)", "Remove every one."}};
  command.exit_statuses = statuses({});
  command.call = [arguments](Context& context) { return checkpoint_ls(context, *arguments); };
  return command;
}

}  // namespace tl::cli
