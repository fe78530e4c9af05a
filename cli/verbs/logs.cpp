// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/process_view.hpp"
#include "cli/resuming.hpp"
#include "cli/signal_relay.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

enum class Form { kBytes, kJson };

struct Arguments {
  std::string sandbox;
  std::string process;
  LogOptions options;
  Form form = Form::kBytes;
};

int logs(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  const ResumeFirst resume{(*relay)->fd(), tell_of_resuming(context, arguments.sandbox)};
  LogLines lines;
  const auto print = [&](const LogOutput& output) {
    context.out().write(arguments.form == Form::kJson ? lines.add(output) : output.bytes);
    static_cast<void>(context.out().flush());
    return context.out().open();
  };
  const auto shown = (*runtime)->logs(arguments.sandbox, arguments.process, arguments.options, print, resume);
  context.out().write(lines.rest());
  if (!shown) return context.fail(shown.error());
  const auto signal = SignalRelay::received();
  return signal ? exit_code_of_signal(*signal) : kSuccess;
}

}  // namespace

Command make_logs() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "logs";
  command.summary = "show what a detached process has written";
  command.description =
      "Prints what a process that was started with 'tl sbx exec --detach' has written to its stdout and "
      "stderr, "
      "byte for byte in the order in which it came, over all its runs. The last megabyte or so is kept, in "
      "the "
      "sandbox's memory: it survives a suspend, and is gone when the sandbox boots.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.operands.push_back(
      {.name = "PROCESS", .help = "the process's PID or name", .set = store(arguments->process)});
  command.flags.push_back({.names = {"--tail"},
                           .value = "N",
                           .help = "only the last N lines",
                           .set = store_whole(arguments->options.tail)});
  command.flags.push_back({.names = {"-f", "--follow"},
                           .value = "",
                           .help = "go on as more is written, until the process has ended for good",
                           .set = choose(arguments->options.follow, true)});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print each line as a JSON object with its time and stream",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {{"tl sbx logs my-env web", "Show the log of the process called web."},
                      {"tl sbx logs my-env web --tail 20 -f", "The last lines, and what comes."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kBadValue});
  command.exit_statuses.push_back({"128+n", "signal n came before the end"});
  command.call = [arguments](Context& context) { return logs(context, *arguments); };
  return command;
}

}  // namespace tl::cli
