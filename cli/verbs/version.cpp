// SPDX-License-Identifier: Apache-2.0
#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {

Command make_version() {
  Command command;
  command.name = "version";
  command.summary = "print the version";
  command.description = "Prints 'tl' and the version, as 'tl --version' does.";
  command.examples = {{"tl version", "Print the version."}};
  command.exit_statuses = statuses({});
  command.call = [](Context& context) {
    context.out().line("tl " TL_VERSION);
    return kSuccess;
  };
  return command;
}

}  // namespace tl::cli
