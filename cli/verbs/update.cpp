// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include <fmt/format.h>

#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/network_flags.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

enum class Clear { kNo, kYes };

struct Arguments {
  std::string sandbox;
  registry::NetworkPolicy network;
  Clear clear = Clear::kNo;
};

Result<void> check(const Arguments& arguments) {
  const bool has_policy = arguments.network != registry::NetworkPolicy{};
  if (arguments.clear == Clear::kYes && has_policy)
    return Error{ErrorCode::kOutOfRange, "--clear-network leaves no rules, so none can be given beside it",
                 "new rules replace the old ones: leave it out"};
  if (arguments.clear == Clear::kNo && !has_policy)
    return Error{ErrorCode::kOutOfRange, "there is nothing to update",
                 "give --no-internet, --network-allow, --network-deny or --clear-network"};
  return {};
}

int update(Context& context, const Arguments& arguments) {
  if (const auto valid = check(arguments); !valid) return context.fail(valid.error());
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto updated = (*runtime)->set_network(arguments.sandbox, arguments.network);
  if (!updated) return context.fail(updated.error());
  if (context.out_terminal().is_terminal()) {
    context.error().line(fmt::format("Updated sandbox {}.", handle_of(*updated)));
  } else {
    context.out().line(updated->record.sandbox_id);
  }
  return kSuccess;
}

}  // namespace

Command make_update() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "update";
  command.summary = "change whom a sandbox may speak to";
  command.description =
      "Replaces all network rules of a sandbox by those that are given. They hold when the command returns: "
      "connections to whom it may not speak any more stand still. A suspended sandbox has them when it is "
      "resumed. The ID is printed on stdout when that is not a terminal.\n\n"
      "A host name stands for the addresses that the sandbox's resolver last answered for it; while one is "
      "denied, the sandbox may ask no other resolver.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  add_network_flags(command, arguments->network);
  command.flags.push_back({.names = {"--clear-network"},
                           .value = "",
                           .help = "remove all rules: let it reach everybody",
                           .set = choose(arguments->clear, Clear::kYes)});
  command.examples = {{"tl sbx update my-env --no-internet", "Cut my-env off."},
                      {"tl sbx update my-env -A deb.debian.org -A 192.0.2.0/24", "Let it reach these only."},
                      {"tl sbx update my-env --clear-network", "Let it reach everybody again."}};
  command.exit_statuses = statuses({kNoSuchThing, kConflict, kBadValue});
  command.call = [arguments](Context& context) { return update(context, *arguments); };
  return command;
}

}  // namespace tl::cli
