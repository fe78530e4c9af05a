// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <memory>
#include <optional>
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
  std::uint32_t remote = 0;
  std::optional<std::uint32_t> local;
};

int tunnel(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  TunnelRequest request;
  request.remote = arguments.remote;
  request.local = arguments.local;
  request.resume = {(*relay)->fd(), tell_of_resuming(context, arguments.sandbox)};
  request.opened = [&](std::uint16_t local) {
    if (context.out_terminal().is_terminal()) {
      context.error().line(fmt::format("127.0.0.1:{} leads to port {} of {}, until Ctrl-C.", local,
                                       arguments.remote, arguments.sandbox));
      static_cast<void>(context.error().flush());
    } else {
      context.out().line(fmt::format("127.0.0.1:{}", local));
      static_cast<void>(context.out().flush());
    }
  };
  std::string told;
  request.refused = [&](const std::string& why) {
    if (why == told) return;
    told = why;
    context.error().line(fmt::format("A connection was refused: {}.", why));
    static_cast<void>(context.error().flush());
  };
  const auto ended = (*runtime)->tunnel(arguments.sandbox, request);
  if (!ended) return context.fail(ended.error());
  return kSuccess;
}

}  // namespace

Command make_tunnel() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "tunnel";
  command.summary = "reach a port of a sandbox from here";
  command.description =
      "Takes connections to a port of this machine's 127.0.0.1 and passes each on to a port inside, to "
      "whoever "
      "listens there on the sandbox's own loopback or on all its addresses, by IPv4 or IPv6. Any number of "
      "connections, until Ctrl-C, SIGTERM or the end of the sandbox. A suspended sandbox is resumed "
      "first.\n\n"
      "When stdout is not a terminal the address is printed on it, as one line, as soon as connections are "
      "taken.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.operands.push_back(
      {.name = "REMOTE", .help = "the port inside, 1-65535", .set = store_whole(arguments->remote)});
  command.flags.push_back({.names = {"-l", "--local"},
                           .value = "PORT",
                           .help = "the port here (default: the same number); 0 takes one that is free",
                           .set = store_whole(arguments->local)});
  command.examples = {
      {"tl sbx tunnel my-env 8000", "What listens on port 8000 in my-env is at 127.0.0.1:8000."},
      {"tl sbx tunnel my-env 80 -l 8080", "A port below 1024 at one that needs no root here."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kBadValue, kHostLacks});
  command.call = [arguments](Context& context) { return tunnel(context, *arguments); };
  return command;
}

}  // namespace tl::cli
