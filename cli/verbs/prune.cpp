// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <memory>
#include <string_view>

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

enum class Form { kText, kJson };

struct Arguments {
  Form form = Form::kText;
};

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

void report(Context& context, const Pruned& pruned) {
  if (pruned.records + pruned.templates + pruned.layers + pruned.leftovers == 0) {
    context.error().line("There was nothing to remove.");
    return;
  }
  context.error().line(
      fmt::format("Removed {}, {}, {} and {}.", counted(pruned.records, "terminated sandbox record"),
                  counted(pruned.templates, "template"), counted(pruned.layers, "fetched layer"),
                  counted(pruned.leftovers, "leftover")));
}

void print_table(Context& context, const Pruned& pruned) {
  Table table({"Removed", "Count"});
  table.add({"records", fmt::format("{}", pruned.records)});
  table.add({"templates", fmt::format("{}", pruned.templates)});
  table.add({"layers", fmt::format("{}", pruned.layers)});
  table.add({"leftovers", fmt::format("{}", pruned.leftovers)});
  context.out().write(table.text(context.out_terminal()));
}

int prune(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto pruned = (*runtime)->prune();
  if (!pruned) return context.fail(pruned.error());
  if (arguments.form == Form::kJson) {
    const nlohmann::ordered_json json = {{"records", pruned->records},
                                         {"templates", pruned->templates},
                                         {"layers", pruned->layers},
                                         {"leftovers", pruned->leftovers}};
    context.out().write(json_text(json));
  } else if (context.out_terminal().is_terminal()) {
    report(context, *pruned);
  } else {
    print_table(context, *pruned);
  }
  return kSuccess;
}

}  // namespace

Command make_prune() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "prune";
  command.summary = "remove what is not needed any more";
  command.description =
      "Removes the records of terminated sandboxes, which 'tl sbx ls --all' shows no more then; the "
      "templates, saved machines that had just booted, unless somebody is using them (the next 'tl sbx "
      "create' boots and saves one anew); the layers that were kept from fetching images; images whose name "
      "was given to another, unless a sandbox or snapshot was made from them; and what was left half-made by "
      "something that was killed. Sandboxes that are not terminated, snapshots and images with a name stay. "
      "What was removed is told on stderr, or "
      "as a table on stdout when that is not a terminal.";
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print how many of each were removed as JSON",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {{"tl sbx prune", "Tidy up."}};
  command.exit_statuses = statuses({});
  command.call = [arguments](Context& context) { return prune(context, *arguments); };
  return command;
}

}  // namespace tl::cli
