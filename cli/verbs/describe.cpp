// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

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
  std::string sandbox;
  Form form = Form::kText;
};

int describe(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto sandbox = (*runtime)->describe(arguments.sandbox);
  if (!sandbox) return context.fail(sandbox.error());
  context.out().write(arguments.form == Form::kJson ? json_text(sandbox_json(*sandbox))
                                                    : sandbox_details(*sandbox, context.now()));
  return kSuccess;
}

}  // namespace

Command make_describe() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "describe";
  command.aliases = {"info"};
  command.summary = "show everything about a sandbox";
  command.description =
      "Shows the image or snapshot that it was made from, the resources, the accelerator, the timeouts and "
      "when "
      "they strike, what memory and disk are really used, for a terminated sandbox when it ended and why, "
      "and "
      "for one whose memory was lost the reason.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print the sandbox as JSON",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {{"tl sbx describe my-env", "Show the sandbox called my-env."},
                      {"tl sbx describe my-env --json", "The same for a program."}};
  command.exit_statuses = statuses({kNoSuchThing});
  command.call = [arguments](Context& context) { return describe(context, *arguments); };
  return command;
}

}  // namespace tl::cli
