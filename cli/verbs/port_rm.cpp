// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

struct Arguments {
  std::string sandbox;
  std::vector<std::uint32_t> ports;
};

int port_rm(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto sandbox = (*runtime)->unexpose(arguments.sandbox, arguments.ports);
  if (!sandbox) return context.fail(sandbox.error());
  const bool at_terminal = context.out_terminal().is_terminal();
  for (const std::uint32_t port : arguments.ports) {
    if (at_terminal) {
      context.error().line(fmt::format("Port {} of {} is held open no longer.", port, handle_of(*sandbox)));
    } else {
      context.out().line(std::to_string(port));
    }
  }
  return kSuccess;
}

}  // namespace

Command make_port_rm() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "rm";
  command.aliases = {"delete"};
  command.summary = "hold ports of a sandbox open no longer";
  command.description =
      "Takes no more connections to exposed ports of a sandbox; those that are there go on. With one that is "
      "not exposed nothing is changed.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.operands.push_back({.name = "PORT",
                              .help = "a port inside that is exposed",
                              .set = append_whole(arguments->ports),
                              .count = Operand::Count::kOneOrMore});
  command.examples = {{"tl sbx port rm my-env 8000", "Hold port 8000 of my-env open no longer."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kBadValue});
  command.call = [arguments](Context& context) { return port_rm(context, *arguments); };
  return command;
}

}  // namespace tl::cli
