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
  std::vector<std::string> images;
};

int image_rm(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  int exit_code = kSuccess;
  for (const auto& image : arguments.images) {
    const auto removed = (*runtime)->remove_image(image);
    if (!removed) {
      const int failure = context.fail(removed.error());
      if (exit_code == kSuccess) exit_code = failure;
    } else if (context.out_terminal().is_terminal()) {
      context.error().line(fmt::format("Removed image {}.", image));
      static_cast<void>(context.error().flush());
    } else {
      context.out().line(image);
      static_cast<void>(context.out().flush());
    }
  }
  return exit_code;
}

}  // namespace

Command make_image_rm() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "rm";
  command.aliases = {"delete"};
  command.summary = "remove images";
  command.description =
      "Removes each name and, with its last name, the image. One that a sandbox or a snapshot was made from "
      "stays until the sandbox is terminated and the snapshot removed; images that were installed with tl "
      "stay in any case. A failure does not keep the others from being removed; the exit status is that of "
      "the "
      "first. The names of those that are removed are printed on stdout when that is not a terminal.";
  command.operands.push_back({.name = "NAME",
                              .help = "names of images",
                              .set = append(arguments->images),
                              .count = Operand::Count::kOneOrMore,
                              .completes = Completes::kImage});
  command.examples = {{"tl sbx image rm alpine:3", "Remove the image called alpine:3."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kBadValue, kHostLacks});
  command.call = [arguments](Context& context) { return image_rm(context, *arguments); };
  return command;
}

}  // namespace tl::cli
