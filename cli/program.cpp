// SPDX-License-Identifier: Apache-2.0
#include "cli/program.hpp"

#include <variant>

#include "cli/exit_code.hpp"
#include "cli/help.hpp"
#include "cli/parse.hpp"
#include "cli/resolve.hpp"

namespace tl::cli {
namespace {

int refuse(const Refusal& refusal, const Console& console) {
  Output error(console.error_fd);
  print_error(error, console.error, refusal.message, refusal.hint);
  return refusal.exit_code;
}

// A group named without a command of it: the list of them is what is needed most.
int show_commands(const Resolved& resolved, const std::vector<Flag>& globals, const Console& console) {
  Output error(console.error_fd);
  error.write(help_text(resolved.command(), globals, resolved.full_name(), console.error));
  return kUsage;
}

int show_help(const Resolved& resolved, const std::vector<Flag>& globals, const Console& console) {
  Output out(console.out_fd);
  out.write(help_text(resolved.command(), globals, resolved.full_name(), console.out));
  return out.flush() ? kSuccess : kOtherFailure;
}

int call(const Command& command, const Services& services, const GlobalFlags& globals,
         const Console& console) {
  Context context(services, globals, console, command.failures);
  const int exit_code = command.call(context);
  const auto written = context.out().flush();
  return written ? exit_code : context.fail(written.error());
}

}  // namespace

int run_program(const std::vector<std::string>& words, const Services& services, const Console& console) {
  const CommandTree tree = make_command_tree(words);
  // What people try first is the command `version`.
  const bool version = !words.empty() && words.front() == "--version";
  const auto found = resolve(tree.root, tree.globals, version ? std::vector<std::string>{"version"} : words);
  if (const auto* refusal = std::get_if<Refusal>(&found)) return refuse(*refusal, console);
  const auto& resolved = std::get<Resolved>(found);
  const auto parsed = parse(resolved, tree.globals);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) return refuse(*refusal, console);
  if (std::holds_alternative<HelpRequested>(parsed)) return show_help(resolved, tree.globals, console);
  if (!resolved.command().call) return show_commands(resolved, tree.globals, console);
  return call(resolved.command(), services, *tree.values, console);
}

}  // namespace tl::cli
