// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/age.hpp"
#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/given_up.hpp"
#include "cli/moved_bytes.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/signal_relay.hpp"
#include "cli/table.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

enum class Form { kText, kJson };

struct Arguments {
  ImageExport request;
  Form form = Form::kText;
};

int image_export(Context& context, Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  arguments.request.signals = (*relay)->fd();
  ProgressLine line(context.error(), context.error_terminal());
  arguments.request.moved = show_moved(line);
  const auto exported = (*runtime)->export_image(arguments.request);
  line.wipe();
  if (!exported) return fail_or_given_up(context, exported.error());
  if (arguments.form == Form::kJson) {
    context.out().write(json_text(
        {{"path", exported->path}, {"digest", exported->digest}, {"size_bytes", exported->size_bytes}}));
  } else if (context.out_terminal().is_terminal()) {
    context.error().line(fmt::format("Exported image {} to {} ({}).", arguments.request.name,
                                     printable(exported->path), size(exported->size_bytes)));
  } else {
    context.out().line(exported->path);
  }
  return kSuccess;
}

}  // namespace

Command make_image_export() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "export";
  command.summary = "write an image as an OCI image layout, for other tools";
  command.description =
      "Writes an image as an OCI image layout (version 1.0) with one layer, which skopeo, umoci, podman, "
      "docker and others read: into PATH, a folder that is new or empty, or, where PATH ends in '.tar', as a "
      "tar of one. PATH is there whole or not at all. The same image makes the same digests.\n\n"
      "Owners, modes, times, links, devices, holes in files, access lists and extended attributes are kept. "
      "Left out are sockets, /lost+found, and the files that every sandbox and container is given anew: "
      "/etc/hostname, /etc/hosts, /etc/resolv.conf and /etc/machine-id, unless they are symbolic links.\n\n"
      "PATH is printed on stdout when that is not a terminal.";
  command.operands.push_back({.name = "NAME",
                              .help = "the image's name",
                              .set = store(arguments->request.name),
                              .completes = Completes::kImage});
  command.operands.push_back({.name = "PATH",
                              .help = "a folder that is new or empty, or a new file that ends in .tar",
                              .set = store(arguments->request.path),
                              .completes = Completes::kFile});
  command.flags.push_back({.names = {"--tag"},
                           .value = "NAME",
                           .help = "what the image is called in the layout (default latest)",
                           .set = store(arguments->request.tag)});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print path, digest and size as JSON",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {
      {"tl sbx image export tools ./tools", "Write the image called tools into the folder tools."},
      {"tl sbx image export tools ./tools && skopeo copy oci:./tools:latest docker-daemon:tools:latest",
       "Give it to Docker."},
      {"tl sbx image export tools tools.tar --tag 1.2", "Write it into one file, as 1.2."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kBadValue, kHostLacks});
  command.exit_statuses.push_back({"128+n", "signal n came before the layout was whole"});
  command.call = [arguments](Context& context) { return image_export(context, *arguments); };
  return command;
}

}  // namespace tl::cli
