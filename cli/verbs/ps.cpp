// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/process_view.hpp"
#include "cli/resuming.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/signal_relay.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

enum class Form { kTable, kJson };

struct Arguments {
  std::string sandbox;
  std::optional<std::string> process;
  Form form = Form::kTable;
};

bool is_meant(const ProcessRecord& process, const std::string& word) {
  return process.name == word || std::to_string(process.pid) == word ||
         std::to_string(process.first_pid) == word;
}

void print_table(Context& context, const std::vector<ProcessRecord>& processes) {
  if (processes.empty()) {
    context.out().line("No processes found.");
    return;
  }
  const Terminal terminal = context.out_terminal();
  context.out().write(process_table(processes, context.now()).text(terminal));
  if (!terminal.is_terminal()) return;
  context.out().line(fmt::format("{} process{}", processes.size(), processes.size() == 1 ? "" : "es"));
}

int ps(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  const ResumeFirst resume{(*relay)->fd(), tell_of_resuming(context, arguments.sandbox)};
  auto processes = (*runtime)->processes(arguments.sandbox, resume);
  if (!processes) return context.fail(processes.error());
  if (arguments.process) {
    std::erase_if(*processes, [&](const ProcessRecord& each) { return !is_meant(each, *arguments.process); });
    if (processes->empty()) {
      return context.fail(
          {ErrorCode::kNotFound,
           fmt::format("sandbox {} knows no process {}", arguments.sandbox, *arguments.process),
           fmt::format("'tl sbx ps {}' lists those it knows", arguments.sandbox)});
    }
  }
  if (arguments.form == Form::kTable) {
    print_table(context, *processes);
    return kSuccess;
  }
  nlohmann::ordered_json json;
  json["processes"] = nlohmann::ordered_json::array();
  for (const auto& process : *processes) json["processes"].push_back(process_json(process));
  context.out().write(json_text(json));
  return kSuccess;
}

}  // namespace

Command make_ps() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "ps";
  command.summary = "list the processes started by exec";
  command.description =
      "Lists the commands that 'tl sbx exec', 'run' and 'ssh' have started in a sandbox, oldest first: those "
      "that "
      "run, and the last 128 that have ended. The sandbox is resumed first when it is suspended.\n\n"
      "Managed processes were started with --detach: they have a log, and can be restarted. A status is "
      "running, "
      "restarting (it waits for its next run), exited, signaled, timed-out, or oom-killed (the kernel ended "
      "it for "
      "want of memory). Exit is the exit code, or the signal that ended it.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.operands.push_back({.name = "PROCESS",
                              .help = "only this one, by PID or name",
                              .set = store(arguments->process),
                              .count = Operand::Count::kOptional});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print an object with an array of processes",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {{"tl sbx ps my-env", "List the processes of my-env."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict});
  command.call = [arguments](Context& context) { return ps(context, *arguments); };
  return command;
}

}  // namespace tl::cli
