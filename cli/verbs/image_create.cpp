// SPDX-License-Identifier: Apache-2.0
#include <chrono>
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
#include "cli/network_flags.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/signal_relay.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"
#include "runtime/build/image_build.hpp"

namespace tl::cli {
namespace {

using build::BuildWatch;
using build::ImageBuild;

enum class Form { kText, kJson };

struct Arguments {
  ImageBuild build;
  std::vector<std::pair<std::string, std::string>> given;
  Form form = Form::kText;
};

// Everything that happens goes to stderr as it comes, between the output of the commands.
BuildWatch watch_of(Context& context, ProgressLine& progress, int signals) {
  BuildWatch watch;
  watch.step = [&context, &progress](std::string_view line) {
    progress.wipe();
    context.error().line(context.error_terminal().bold(line));
    static_cast<void>(context.error().flush());
  };
  watch.warn = [&context, &progress](std::string_view sentence) {
    progress.wipe();
    context.warn(sentence);
  };
  watch.progress = [&progress](std::string_view step) {
    if (step.empty()) {
      progress.wipe();
    } else {
      progress.show(step);
    }
  };
  watch.moved = show_moved(progress);
  watch.kept = [&context](std::string_view sandbox) {
    context.error().line(fmt::format("Sandbox {0} kept alive: tl sbx ssh {0}", sandbox));
  };
  watch.stopped = [] { return SignalRelay::received().has_value(); };
  watch.signals = signals;
  return watch;
}

int image_create(Context& context, Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();  // to the very end: whatever comes, what was begun is taken back
  if (!relay) return context.fail(relay.error());
  arguments.build.arguments.clear();
  for (auto& [name, value] : arguments.given) arguments.build.arguments[name] = value;

  const auto started = std::chrono::steady_clock::now();
  ProgressLine progress(context.error(), context.error_terminal());
  const auto image =
      build::build_image(**runtime, arguments.build, watch_of(context, progress, (*relay)->fd()));
  progress.wipe();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  if (!image) return fail_or_given_up(context, image.error());
  if (arguments.form == Form::kJson) {
    context.out().write(json_text(image_json(*image)));
  } else if (context.out_terminal().is_terminal()) {
    context.error().line(
        fmt::format("Image {0} is there ({1:.1f} s): tl sbx create --image {0}", image->name, took.count()));
  } else {
    context.out().line(image->name);
  }
  return kSuccess;
}

void add_machine_flags(Command& command, CreateRequest& machine) {
  command.flags.push_back({.names = {"-c", "--cpus"},
                           .value = "F",
                           .help = "CPUs of the sandboxes that it is built in (default 1.0)",
                           .set = store_decimal(machine.cpus)});
  command.flags.push_back({.names = {"-m", "--memory"},
                           .value = "MB",
                           .help = "their memory in MB, 1024 to 8192 for each CPU (default 1024 for each)",
                           .set = store_whole(machine.memory_mb)});
  command.flags.push_back(
      {.names = {"--disk_mb", "--disk-mb"},
       .value = "MB",
       .help = "their disk in MiB, 10240 to 102400, which is also the least that a sandbox of the "
               "image has (default: the largest of what it is made from)",
       .set = store_whole(machine.disk_mb)});
  add_network_flags(command, machine.network);
  command.flags.push_back({.names = {"--accel"},
                           .value = "auto|kvm|tcg",
                           .help = "what runs them (default auto: the best that works)",
                           .set = choose_word(machine.accelerator, {{"auto", AcceleratorChoice::kAuto},
                                                                    {"kvm", AcceleratorChoice::kKvm},
                                                                    {"tcg", AcceleratorChoice::kTcg}})});
}

constexpr const char* kDescription =
    "Makes an image of a Dockerfile: its instructions are carried out in a sandbox, whose disk is the image "
    "then. "
    "DOCKERFILE is the file, whose folder is the context that COPY takes from, or the folder with a "
    "'Dockerfile' in it. "
    "The image is called by --name, or else after a file such as 'web.Dockerfile' or after the folder; it "
    "takes the name "
    "from an image that has it. The name is printed on stdout when that is not a terminal, everything else "
    "on stderr.\n\n"
    "Each stage that is needed has an ephemeral sandbox for as long as it is needed, and all of them end "
    "with the command, "
    "however that ends. A build that fails or is interrupted leaves nothing, and the name stays whose it "
    "was.\n\n"
    "Done as in Docker: FROM (an image of 'tl sbx image ls', or a stage before), RUN, COPY (--from, --chown, "
    "--chmod), "
    "ADD of local files, ARG, ENV, WORKDIR, USER, SHELL, ENTRYPOINT, CMD; # escape, heredocs of RUN, ${X:-y} "
    "and its like, "
    ".dockerignore and DOCKERFILE.dockerignore.\n\n"
    "Ignored, with a warning: LABEL, MAINTAINER, EXPOSE, STOPSIGNAL, HEALTHCHECK, VOLUME. Without one: COPY "
    "--link, "
    "# syntax, # check.\n\n"
    "Refused: FROM scratch, FROM --platform of another machine, RUN --mount, --network and --security, "
    "heredocs of COPY and "
    "ADD, RUN heredocs with a #! line, COPY --parents and --exclude, --chmod other than octal, ADD of a URL "
    "or repository, "
    "ADD --checksum and --keep-git-dir, ONBUILD.\n\n"
    "COPY never takes anything from outside of the context: '..' ends there, and a symbolic link that leads "
    "out is copied "
    "as a link. What is copied is root's, unless --chown says otherwise; from a stage or an image owners are "
    "kept. The "
    "image needs a shell, and tar for COPY and ADD. WORKDIR makes a folder that belongs to the USER. An "
    "ARG's value can be "
    "seen by whoever has the image's Dockerfile, its files and its ENV: it is no place for secrets.";

}  // namespace

Command make_image_create() {
  auto arguments = std::make_shared<Arguments>();
  ImageBuild& build = arguments->build;
  Command command;
  command.name = "create";
  command.aliases = {"build"};
  command.summary = "make an image from a Dockerfile";
  command.description = kDescription;
  command.operands.push_back({.name = "DOCKERFILE",
                              .help = "the Dockerfile, or the folder that it is in",
                              .set = store(build.path),
                              .completes = Completes::kFile});
  command.flags.push_back({.names = {"-n", "--name"},
                           .value = "NAME",
                           .help = "what the image is called (default: after the Dockerfile or its folder)",
                           .set = store(build.name)});
  command.flags.push_back({.names = {"-f", "--file"},
                           .value = "FILE",
                           .help = "a Dockerfile elsewhere; DOCKERFILE is the folder for COPY then",
                           .set = store(build.file),
                           .completes = Completes::kFile});
  command.flags.push_back({.names = {"--build-arg"},
                           .value = "K=V",
                           .help = "the value of an ARG; may be given several times",
                           .set = append_assignment(arguments->given),
                           .repeats = Flag::Repeats::kMany});
  command.flags.push_back({.names = {"--target"},
                           .value = "STAGE",
                           .help = "the stage that becomes the image, by name or number (default: the last)",
                           .set = store(build.target)});
  add_machine_flags(command, build.machine);
  command.flags.push_back({.names = {"--keep"},
                           .value = "",
                           .help = "leave the sandbox of a stage that failed; its ID is printed on stderr",
                           .set = choose(build.on_failure, ImageBuild::OnFailure::kKeepFailed)});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print the image as JSON",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {
      {"tl sbx image create ./Dockerfile", "Make an image called after the folder."},
      {"tl sbx image create --name web --build-arg VERSION=3 web/", "Of web/Dockerfile, with an argument."},
      {"tl sbx image create -n app -f docker/app.Dockerfile .",
       "Of a Dockerfile that is not in the context."}};
  command.exit_statuses = statuses({kConflict, kBadValue, kHostLacks});
  command.exit_statuses.insert(command.exit_statuses.begin() + 3,
                               {"3", "there is no such file, image or source of a COPY"});
  for (auto& status : command.exit_statuses) {
    if (status.code == "1") status.meaning = "a command of the Dockerfile failed, or something else did";
    if (status.code == "5")
      status.meaning = "the Dockerfile says what is malformed or not supported, or a value is";
  }
  command.exit_statuses.push_back({"128+n", "signal n came before the image was there"});
  command.call = [arguments](Context& context) { return image_create(context, *arguments); };
  return command;
}

}  // namespace tl::cli
