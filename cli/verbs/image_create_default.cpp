// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

struct Arguments {
  std::string store;
};

int create_default(Context& context, const Arguments& arguments) {
  if (arguments.store.empty()) {
    return context.fail({ErrorCode::kOutOfRange, "create the default image: --store is missing", {}});
  }
  // Takes minutes: in a log, too, each step is worth a line.
  ProgressLine progress(context.error(), context.error_terminal());
  const auto show = [&context, &progress](std::string_view step) {
    if (context.error_terminal().is_terminal()) {
      progress.show(step);
      return;
    }
    context.error().line(step);
    static_cast<void>(context.error().flush());
  };
  const auto digest = context.services().make_default_image(arguments.store, show);
  progress.wipe();
  if (!digest) return context.fail(digest.error());
  context.out().line(*digest);
  return kSuccess;
}

}  // namespace

Command make_image_create_default() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "create-default";
  command.summary = "make the default image";
  command.description =
      "Makes the image called default from the packages of this machine's own release. Called by './dev "
      "build'.";
  command.flags.push_back({.names = {"--store"},
                           .value = "DIR",
                           .help = "the folder that images are kept in",
                           .set = store(arguments->store),
                           .completes = Completes::kFolder});
  command.examples = {{"tl sbx image create-default --store DIR", "Make it."}};
  command.exit_statuses = statuses({kBadValue, kHostLacks});
  command.shown = Command::Shown::kNo;
  command.call = [arguments](Context& context) { return create_default(context, *arguments); };
  return command;
}

}  // namespace tl::cli
