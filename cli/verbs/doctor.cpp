// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
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

enum class Form { kText, kJson };

struct Arguments {
  Form form = Form::kText;
};

const char* verdict_word(HostCheck::Verdict verdict) {
  switch (verdict) {
    case HostCheck::Verdict::kOk:
      return "ok";
    case HostCheck::Verdict::kWarning:
      return "warning";
    case HostCheck::Verdict::kFailure:
      return "failure";
  }
  return "failure";
}

std::string verdict_cell(HostCheck::Verdict verdict, Terminal terminal) {
  std::string padded = fmt::format("{:<8}", verdict_word(verdict));
  switch (verdict) {
    case HostCheck::Verdict::kOk:
      return terminal.green(padded);
    case HostCheck::Verdict::kWarning:
      return terminal.yellow(padded);
    case HostCheck::Verdict::kFailure:
      return terminal.red(padded);
  }
  return padded;
}

void print_for_people(Context& context, const HostReport& report) {
  std::size_t width = 0;
  for (const auto& check : report.checks) width = std::max(width, check.name.size());
  for (const auto& check : report.checks) {
    context.out().line(fmt::format("{} {:<{}}  {}", verdict_cell(check.verdict, context.out_terminal()),
                                   check.name, width, printable(check.detail)));
    if (check.cure.empty()) continue;
    context.out().line(fmt::format("{:>{}}  cure: {}", "", width + 9, check.cure));
  }
  context.out().line(report.usable ? "\nSandboxes can be created on this machine."
                                   : "\nSandboxes cannot be created on this machine now.");
}

void print_table(Context& context, const HostReport& report) {
  Table table({"Verdict", "Check", "Detail", "Cure"});
  for (const auto& check : report.checks) {
    table.add({verdict_word(check.verdict), check.name, check.detail, check.cure});
  }
  context.out().write(table.text(context.out_terminal()));
}

void print_json(Context& context, const HostReport& report) {
  nlohmann::ordered_json json;
  json["usable"] = report.usable;
  json["checks"] = nlohmann::ordered_json::array();
  for (const auto& check : report.checks) {
    json["checks"].push_back({{"name", check.name},
                              {"verdict", verdict_word(check.verdict)},
                              {"detail", check.detail},
                              {"cure", check.cure}});
  }
  context.out().write(json_text(json));
}

int doctor(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto report = (*runtime)->doctor();
  if (!report) return context.fail(report.error());
  if (arguments.form == Form::kJson) {
    print_json(context, *report);
  } else if (context.out_terminal().is_terminal()) {
    print_for_people(context, *report);
  } else {
    print_table(context, *report);
  }
  return report->usable ? kSuccess : kHostLacks;
}

}  // namespace

Command make_doctor() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "doctor";
  command.summary = "say what this machine offers and what it lacks";
  command.description =
      "Looks at everything that sandboxes need: accelerators, with the reason why each can or cannot be "
      "used, the kernel, the image, "
      "disk space and limits. Each thing that is missing comes with its cure.";
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print the findings as JSON",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {{"tl sbx doctor", "Look at this machine."}};
  command.exit_statuses = statuses({kHostLacks});
  command.call = [arguments](Context& context) { return doctor(context, *arguments); };
  return command;
}

}  // namespace tl::cli
