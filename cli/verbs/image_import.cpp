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
#include "cli/sandbox_view.hpp"
#include "cli/signal_relay.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

enum class Form { kText, kJson };

struct Arguments {
  ImportRequest request;
  Form form = Form::kText;
};

int image_import(Context& context, Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  arguments.request.signals = (*relay)->fd();

  ProgressLine progress(context.error(), context.error_terminal());
  const auto imported = (*runtime)->import_image(arguments.request,
                                                 [&progress](std::string_view step) { progress.show(step); });
  progress.wipe();
  if (!imported) return fail_or_given_up(context, imported.error());
  const std::string& name = imported->image.name;
  if (arguments.form == Form::kJson) {
    context.out().write(json_text(image_json(*imported)));
  } else if (context.out_terminal().is_terminal()) {
    context.error().write(
        fmt::format("Image {} is ready.\n\nGet started:\n  tl sbx run --image {} COMMAND\n", name, name));
  } else {
    context.out().line(name);
  }
  return kSuccess;
}

constexpr const char* kDescription =
    "Makes an image that 'tl sbx create --image' takes, without root and without Docker. What IMAGE is, is "
    "found "
    "out:\n\n"
    "an OCI image layout, a folder or a tar of one; an archive that 'docker save' wrote; a tar of a root "
    "file "
    "system; each plain or compressed with gzip, zstd or xz; a folder that is a root file system; or, with "
    "skopeo, docker://NAME:TAG and what else skopeo can read (docker-daemon:, containers-storage:, dir:).\n\n"
    "Where several images are in one place, PATH:TAG or PATH:REPOSITORY:TAG says which. Of an image for "
    "several "
    "processors the one for Linux on this one is taken. Every layer is verified by its digest. Variables, "
    "working "
    "folder and user of the image are those of commands in its sandboxes, and what it starts with is started "
    "with each, as the process 'entrypoint', unless that is a mere shell.\n\n"
    "A folder is copied with owners, modes, times, hard links, devices, sockets, holes and extended "
    "attributes; no "
    "symbolic link is followed, and what is mounted below it is left out. When you are not root, files of "
    "yours, "
    "user and group alike, become root's.\n\n"
    "What was imported before, with the same disk, only gets the name. A name that another image has is "
    "taken from "
    "it; 'tl sbx prune' removes an image that has no name any more, and the layers that are kept so that "
    "skopeo "
    "does not fetch them again. When the import fails or is interrupted, nothing is left behind. The name is "
    "printed on stdout when that is not a terminal.";

}  // namespace

Command make_image_import() {
  auto arguments = std::make_shared<Arguments>();
  ImportRequest& request = arguments->request;
  Command command;
  command.name = "import";
  command.summary = "make an image of a container image or a root file system";
  command.description = kDescription;
  command.operands.push_back({.name = "IMAGE",
                              .help = "a file or folder, or docker://NAME:TAG",
                              .set = store(request.reference),
                              .completes = Completes::kFile});
  command.flags.push_back({.names = {"-n", "--name"},
                           .value = "NAME",
                           .help = "what to call the image (default: after where it comes from)",
                           .set = store(request.name)});
  command.flags.push_back({.names = {"--disk_mb", "--disk-mb"},
                           .value = "MB",
                           .help = "size of its file system, 10240 to 102400 (default 10240)",
                           .set = store_whole(request.disk_mb)});
  command.flags.push_back({.names = {"--insecure"},
                           .value = "",
                           .help = "take a registry without a valid certificate, or without any",
                           .set = choose(request.trust, RegistryTrust::kAny)});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print the image as JSON",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {
      {"tl sbx image import docker://alpine:3", "Get an image from a registry."},
      {"docker save app:1 -o app.tar && tl sbx image import app.tar", "Take one from Docker."},
      {"tl sbx image import ./rootfs --name mine", "Make one of a folder."}};
  command.exit_statuses = statuses({kNoSuchThing, kBadValue, kHostLacks});
  command.call = [arguments](Context& context) { return image_import(context, *arguments); };
  return command;
}

}  // namespace tl::cli
