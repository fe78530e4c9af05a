// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/given_up.hpp"
#include "cli/image_view.hpp"
#include "cli/moved_bytes.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/signal_relay.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

enum class Form { kText, kJson };

struct Arguments {
  ImageRegistration request;
  Form form = Form::kText;
};

int image_register(Context& context, Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  arguments.request.signals = (*relay)->fd();
  ProgressLine line(context.error(), context.error_terminal());
  arguments.request.moved = show_moved(line);
  const auto image =
      (*runtime)->register_image(arguments.request, [&line](std::string_view step) { line.show(step); });
  line.wipe();
  if (!image) return fail_or_given_up(context, image.error());
  if (arguments.form == Form::kJson) {
    context.out().write(json_text(image_json(*image)));
  } else if (context.out_terminal().is_terminal()) {
    context.error().write(
        fmt::format("Image {} is there.\n\nCreate a sandbox from it:\n  tl sbx create --image {}\n",
                    image->name, image->name));
  } else {
    context.out().line(image->name);
  }
  return kSuccess;
}

}  // namespace

Command make_image_register() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "register";
  command.summary = "make an image of a filesystem snapshot";
  command.description =
      "Makes an image of the disk that a filesystem snapshot has, and gives it the name, which is taken from "
      "another image if need be. Environment, working directory, user, entrypoint and command are those of "
      "the image that the snapshot was made of. A second image of the same snapshot is the same: it only "
      "gets another name. The snapshot may be removed afterwards.\n\n"
      "The snapshot of a sandbox that was suspended, or in which a removed file was still open, has a file "
      "system that the next boot has to finish: a sandbox without a network does so first, and is gone "
      "again. The image's name is printed on stdout when that is not a terminal.";
  command.operands.push_back({.name = "NAME",
                              .help = "what the image is to be called",
                              .set = store(arguments->request.name),
                              .completes = Completes::kImage});
  command.operands.push_back({.name = "SNAPSHOT",
                              .help = "the snapshot's ID or name",
                              .set = store(arguments->request.snapshot),
                              .completes = Completes::kSnapshot});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print the image as JSON",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {
      {"tl sbx checkpoint my-env --name tools && tl sbx image register tools tools",
       "Keep the disk of my-env, and make an image of it."},
      {"tl sbx image register tools tools && tl sbx create --image tools", "Make a sandbox of the image."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kBadValue, kHostLacks});
  command.exit_statuses.push_back({"128+n", "signal n came before the image was whole"});
  command.call = [arguments](Context& context) { return image_register(context, *arguments); };
  return command;
}

}  // namespace tl::cli
