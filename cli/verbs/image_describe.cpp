// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/image_view.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

enum class Form { kText, kJson };

struct Arguments {
  std::string image;
  Form form = Form::kText;
};

int image_describe(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto image = (*runtime)->describe_image(arguments.image);
  if (!image) return context.fail(image.error());
  context.out().write(arguments.form == Form::kJson ? json_text(image_json(*image))
                                                    : image_details(*image, context.now()));
  return kSuccess;
}

}  // namespace

Command make_image_describe() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "describe";
  command.aliases = {"info"};
  command.summary = "show everything about an image";
  command.description =
      "Shows where the image comes from, what it takes, the smallest disk of a sandbox, how commands run in "
      "it "
      "(variables, working folder, user, entrypoint and command), and the sandboxes and snapshots that were "
      "made "
      "from it.";
  command.operands.push_back({.name = "NAME",
                              .help = "the image's name",
                              .set = store(arguments->image),
                              .completes = Completes::kImage});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print the image as JSON",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {{"tl sbx image describe default", "Show the default image."}};
  command.exit_statuses = statuses({kNoSuchThing, kBadValue, kHostLacks});
  command.call = [arguments](Context& context) { return image_describe(context, *arguments); };
  return command;
}

}  // namespace tl::cli
