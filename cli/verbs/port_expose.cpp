// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/port_view.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

struct Arguments {
  std::string sandbox;
  std::vector<std::uint32_t> ports;
};

int port_expose(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto sandbox = (*runtime)->expose(arguments.sandbox, arguments.ports);
  if (!sandbox) return context.fail(sandbox.error());
  const bool at_terminal = context.out_terminal().is_terminal();
  for (const std::uint32_t port : arguments.ports) {
    const std::string address = address_of(*sandbox, port);
    if (!at_terminal) {
      context.out().line(address);
    } else if (address.empty()) {
      context.error().line(
          fmt::format("Port {} of {} will be held open while it runs.", port, handle_of(*sandbox)));
    } else {
      context.error().line(fmt::format("Port {} of {} is at {}.", port, handle_of(*sandbox), address));
    }
  }
  return kSuccess;
}

}  // namespace

Command make_port_expose() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "expose";
  command.summary = "hold ports of a sandbox open here";
  command.description =
      "Holds ports of a sandbox open on this machine's 127.0.0.1, now if it runs and whenever it will. Ports "
      "that are exposed already stay where they are. In a pipe the addresses are printed, one a line, in the "
      "order of the ports; a line is empty while the sandbox does not run.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.operands.push_back({.name = "PORT",
                              .help = "a port inside, 1-65535",
                              .set = append_whole(arguments->ports),
                              .count = Operand::Count::kOneOrMore});
  command.examples = {{"tl sbx port expose my-env 8000 5432", "Hold two ports of my-env open here."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kBadValue});
  command.call = [arguments](Context& context) { return port_expose(context, *arguments); };
  return command;
}

}  // namespace tl::cli
