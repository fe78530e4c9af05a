// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal_verbs.hpp"

#include <cstdlib>

#include <fmt/format.h>

#include "cli/exit_code.hpp"

namespace tl::cli {

std::vector<std::pair<std::string, std::string>> terminal_environment() {
  const char* kind = std::getenv("TERM");
  const bool known = kind != nullptr && *kind != '\0';
  std::vector<std::pair<std::string, std::string>> environment = {{"TERM", known ? kind : "xterm"}};
  if (const char* colours = std::getenv("COLORTERM"); colours != nullptr && *colours != '\0') {
    environment.emplace_back("COLORTERM", colours);
  }
  return environment;
}

int refuse_without_terminal(Context& context, const std::string& command, const std::string& cure) {
  static_cast<void>(context.fail(Error{
      ErrorCode::kFailure, fmt::format("{} needs a terminal on stdin, and there is none", command), cure}));
  return kUsage;
}

void tell_of_session_left(Context& context, const std::string& sandbox, const ExecOutcome& outcome) {
  if (!outcome.session_left || !context.error_terminal().is_terminal()) return;
  context.error().line(fmt::format("Left session {}, which goes on for 300 s: tl sbx pty attach {} {}",
                                   *outcome.session_left, sandbox, *outcome.session_left));
}

}  // namespace tl::cli
