// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/resuming.hpp"
#include "cli/signal_relay.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

struct Arguments {
  std::string sandbox;
  std::uint32_t session = 0;
};

int pty_rm(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  const auto removed = (*runtime)->remove_session(
      arguments.sandbox, arguments.session, {(*relay)->fd(), tell_of_resuming(context, arguments.sandbox)});
  if (!removed) return context.fail(removed.error());
  if (context.out_terminal().is_terminal()) {
    context.error().line(fmt::format("Ended session {}.", arguments.session));
  } else {
    context.out().line(std::to_string(arguments.session));
  }
  return kSuccess;
}

}  // namespace

Command make_pty_rm() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "rm";
  command.aliases = {"delete"};
  command.summary = "end a terminal session";
  command.description =
      "Hangs a session up: its command and what is in the foreground get SIGHUP, and SIGKILL two seconds "
      "later if that does not end them.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.operands.push_back(
      {.name = "SESSION", .help = "the session's ID", .set = store_whole(arguments->session)});
  command.examples = {{"tl sbx pty rm my-env 412", "End session 412 of my-env."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kBadValue});
  command.call = [arguments](Context& context) { return pty_rm(context, *arguments); };
  return command;
}

}  // namespace tl::cli
