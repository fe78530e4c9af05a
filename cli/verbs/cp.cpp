// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <memory>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/file_place.hpp"
#include "cli/given_up.hpp"
#include "cli/moved_bytes.hpp"
#include "cli/signal_relay.hpp"
#include "cli/table.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

struct Arguments {
  std::string source, destination;  // as typed
  FileCopy copy;
};

Setter store_place(std::string& word, FilePlace& place) {
  return [&word, &place](const std::string& value) {
    auto parsed = parse_file_place(value);
    if (!parsed) return Result<void>(parsed.error());
    word = value;
    place = *std::move(parsed);
    return Result<void>();
  };
}

void show_progress(Context& context, Arguments& arguments, ProgressLine& line) {
  // Not between the lines of a file that is shown.
  const bool in_the_way = arguments.copy.to.path == "-" && context.out_terminal().is_terminal();
  if (!context.error_terminal().is_terminal() || in_the_way) return;
  arguments.copy.progress = [&line](std::string_view step) { line.show(step); };
  arguments.copy.moved = show_moved(line);
}

int cp(Context& context, Arguments& arguments) {
  if (!arguments.copy.from.sandbox && !arguments.copy.to.sandbox) {
    context.fail({ErrorCode::kFailure, "neither SRC nor DEST is in a sandbox",
                  "a place in a sandbox is ID:PATH: tl sbx cp ./file.py my-env:file.py"});
    return kUsage;
  }
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  arguments.copy.signals = (*relay)->fd();
  ProgressLine line(context.error(), context.error_terminal());
  show_progress(context, arguments, line);
  const auto copied = (*runtime)->copy_files(arguments.copy);
  line.wipe();
  if (!copied) return fail_or_given_up(context, copied.error());
  if (!copied->complete) return exit_code_of_signal(SIGPIPE);
  for (const auto& warning : copied->warnings) context.warn(warning);
  context.error().line(fmt::format("{} -> {} ({} bytes)", printable(arguments.source),
                                   printable(arguments.destination), copied->bytes));
  return kSuccess;
}

}  // namespace

Command make_cp() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "cp";
  command.summary = "copy files and folders into, out of and between sandboxes";
  command.description =
      "Copies a file, or a folder with all that is in it. SRC or DEST or both are in a sandbox: ID:PATH, "
      "with "
      "the colon before any slash. PATH is relative to the sandbox's working directory when it does not "
      "begin "
      "with a slash. A sandbox that is suspended is resumed first. '-' is stdin or stdout, for one file.\n\n"
      "Where DEST is a folder that is there, SRC is put into it, and the contents of SRC when that ends in "
      "'.'; "
      "else DEST is the name of the copy. Folders above it are made in a sandbox, and not on this machine. "
      "What is copied belongs to the sandbox's user, or to you. Permissions, modification times, symbolic "
      "and "
      "hard links and holes in files are kept; set-ID and sticky bits, access lists and other attributes are "
      "not. A symbolic link is copied as one, but for SRC itself, which is followed. Devices, sockets and "
      "named pipes are left out, with a warning.\n\n"
      "A file that is replaced stays as it was until its copy is whole, whatever happens on the way. A copy "
      "ends at the first file that cannot be copied. Nothing that a sandbox sends gets outside of DEST.\n\n"
      "'SRC -> DEST (N bytes)' is printed on stderr in the end.";
  command.flags.push_back({.names = {"-r", "--recursive"},
                           .value = "",
                           .help = "changes nothing: folders are copied with all that is in them",
                           .set = [](const std::string&) { return Result<void>(); }});
  command.operands.push_back({.name = "SRC",
                              .help = "what is copied: PATH, ID:PATH, or - for stdin",
                              .set = store_place(arguments->source, arguments->copy.from),
                              .completes = Completes::kFile});
  command.operands.push_back({.name = "DEST",
                              .help = "where to: PATH, ID:PATH, or - for stdout",
                              .set = store_place(arguments->destination, arguments->copy.to),
                              .completes = Completes::kFile});
  command.examples = {
      {"tl sbx cp ./file.py my-env:/workspace/file.py", "Copy a file into a sandbox."},
      {"tl sbx cp my-env:results .", "Copy a folder out of its working directory."},
      {"make report | tl sbx cp - my-env:/tmp/report", "Make a file of what a command prints."},
      {"tl sbx cp my-env:data other:/srv/data", "Copy from one sandbox to another."}};
  command.exit_statuses = statuses({kConflict, kBadValue, kHostLacks});
  command.exit_statuses.insert(command.exit_statuses.begin() + 3,
                               {"3", "there is no such sandbox, file or folder"});
  for (auto& status : command.exit_statuses) {
    if (status.code == "4")
      status.meaning =
          "the sandbox is in the wrong state, or something else is in the place of a file or folder";
  }
  command.exit_statuses.push_back({"128+n", "signal n came before the copy was whole"});
  command.call = [arguments](Context& context) { return cp(context, *arguments); };
  return command;
}

}  // namespace tl::cli
