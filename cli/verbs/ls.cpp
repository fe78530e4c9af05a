// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

enum class Form { kTable, kIdentifiers, kJson };

struct Arguments {
  ListFilter filter = ListFilter::kNotTerminated;
  Form form = Form::kTable;
};

void print_table(Context& context, const SandboxList& list) {
  const Terminal terminal = context.out_terminal();
  Output& out = context.out();
  if (!terminal.is_terminal() || !list.sandboxes.empty()) {
    out.write(sandbox_table(list.sandboxes, context.now()).text(terminal));
  }
  if (!terminal.is_terminal()) return;
  const std::size_t count = list.sandboxes.size();
  std::string summary =
      count == 0 ? "No sandboxes found" : fmt::format("{} sandbox{}", count, count == 1 ? "" : "es");
  if (list.hidden_terminated != 0) {
    summary += fmt::format(", {} terminated hidden (use --all to show)", list.hidden_terminated);
  }
  out.line(count == 0 && list.hidden_terminated == 0 ? summary + "." : summary);
}

void print_json(Context& context, const SandboxList& list) {
  auto json = nlohmann::ordered_json::array();
  for (const auto& sandbox : list.sandboxes) json.push_back(sandbox_json(sandbox));
  context.out().write(json_text(json));
}

int ls(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto list = (*runtime)->list(arguments.filter);
  if (!list) return context.fail(list.error());
  switch (arguments.form) {
    case Form::kTable:
      print_table(context, *list);
      break;
    case Form::kJson:
      print_json(context, *list);
      break;
    case Form::kIdentifiers:
      for (const auto& sandbox : list->sandboxes) context.out().line(sandbox.record.sandbox_id);
      break;
  }
  static_cast<void>(context.out().flush());
  for (const auto& damaged : list->damaged) {
    context.warn(fmt::format("a sandbox's record cannot be read and was set aside as {}: {}", damaged.path,
                             damaged.reason));
  }
  return kSuccess;
}

}  // namespace

Command make_ls() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "ls";
  command.aliases = {"list"};
  command.summary = "list sandboxes";
  command.description =
      "Lists the sandboxes that are not terminated, newest first: in columns on a terminal, with tabs "
      "between them in a pipe.";
  command.flags.push_back({.names = {"-a", "--all"},
                           .value = "",
                           .help = "terminated ones too",
                           .set = choose(arguments->filter, ListFilter::kAll)});
  command.flags.push_back({.names = {"-r", "--running"},
                           .value = "",
                           .help = "only running ones",
                           .set = choose(arguments->filter, ListFilter::kRunning)});
  command.flags.push_back({.names = {"-s", "--suspended"},
                           .value = "",
                           .help = "only suspended ones",
                           .set = choose(arguments->filter, ListFilter::kSuspended)});
  command.flags.push_back({.names = {"-q", "--quiet"},
                           .value = "",
                           .help = "only IDs, one a line",
                           .set = choose(arguments->form, Form::kIdentifiers)});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print a JSON array of sandboxes",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {{"tl sbx ls", "List what is there."},
                      {"tl sbx terminate $(tl sbx ls -q)", "Terminate every sandbox."}};
  command.exit_statuses = statuses({});
  command.call = [arguments](Context& context) { return ls(context, *arguments); };
  return command;
}

}  // namespace tl::cli
