// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/resuming.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/session_view.hpp"
#include "cli/signal_relay.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

enum class Form { kTable, kIdentifiers, kJson };

struct Arguments {
  std::string sandbox;
  Form form = Form::kTable;
};

void print_table(Context& context, const std::vector<SessionInfo>& sessions) {
  const Terminal terminal = context.out_terminal();
  const std::size_t count = sessions.size();
  if (!terminal.is_terminal() || count != 0) {
    context.out().write(session_table(sessions, context.now()).text(terminal));
  }
  if (!terminal.is_terminal()) return;
  context.out().line(count == 0 ? "No sessions found."
                                : fmt::format("{} session{}", count, count == 1 ? "" : "s"));
}

int pty_ls(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  const auto sessions =
      (*runtime)->sessions(arguments.sandbox, {(*relay)->fd(), tell_of_resuming(context, arguments.sandbox)});
  if (!sessions) return context.fail(sessions.error());
  if (arguments.form == Form::kTable) print_table(context, *sessions);
  if (arguments.form == Form::kJson) {
    auto json = nlohmann::ordered_json::array();
    for (const auto& session : *sessions) json.push_back(session_json(session));
    context.out().write(json_text(json));
  }
  if (arguments.form == Form::kIdentifiers) {
    for (const auto& session : *sessions) context.out().line(std::to_string(session.session));
  }
  return kSuccess;
}

}  // namespace

Command make_pty_ls() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "ls";
  command.aliases = {"list"};
  command.summary = "list the terminal sessions of a sandbox";
  command.description =
      "Lists the sessions of a sandbox, which is resumed first when it is suspended, oldest first: in "
      "columns "
      "on a terminal, with tabs between them in a pipe. The ID of a session is the number of its first "
      "process; its size is columns by rows.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.flags.push_back({.names = {"-q", "--quiet"},
                           .value = "",
                           .help = "only IDs, one a line",
                           .set = choose(arguments->form, Form::kIdentifiers)});
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print a JSON array of sessions",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {{"tl sbx pty ls my-env", "List the sessions of my-env."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict});
  command.call = [arguments](Context& context) { return pty_ls(context, *arguments); };
  return command;
}

}  // namespace tl::cli
