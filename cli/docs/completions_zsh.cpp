// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/docs/generate.hpp"
#include "cli/docs/walk.hpp"

namespace tl::cli::docs {
namespace {

// Inside single quotes, and inside the [] and between the colons of an _arguments specification.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
      result += c;
    }
  }
  return result;
}

std::string action(Completes completes) {
  switch (completes) {
    case Completes::kSandbox:
      return "_tl_sandboxes";
    case Completes::kSnapshot:
      return "_tl_snapshots";
    case Completes::kImage:
      return "_tl_images";
    case Completes::kFolder:
      return "_files -/";
    case Completes::kFile:
      return "_files";
    case Completes::kNothing:
      break;
  }
  return " ";
}

std::string flag_action(const Flag& flag) {
  const auto words = choices(flag);
  if (words.empty()) return action(flag.completes);
  std::string list;
  for (const auto& word : words) list += (list.empty() ? "" : " ") + word;
  return "(" + list + ")";
}

std::string flag_lines(const CommandTree& tree, const Command& command) {
  std::string lines;
  for (const auto& flag : all_flags(tree, command)) {
    std::string all;
    for (const auto& name : flag.names) all += (all.empty() ? "" : " ") + name;
    const bool many = flag.repeats == Flag::Repeats::kMany;
    for (const auto& name : flag.names) {
      const std::string shown_once = many ? "*" : fmt::format("({})", all);
      const std::string value =
          flag.value.empty() ? "" : fmt::format(":{}:{}", escaped(flag.value), flag_action(flag));
      const std::string equals = !flag.value.empty() && name.starts_with("--") ? "=" : "";
      lines += fmt::format("    '{}{}{}[{}]{}' \\\n", shown_once, name, equals, escaped(flag.help), value);
    }
  }
  return lines;
}

std::string function_name(const Visited& visited) {
  return "_" + visited.joined("_");
}

std::string leaf_function(const CommandTree& tree, const Visited& visited) {
  const Command& command = visited.command();
  std::string text =
      fmt::format("{}() {{\n  _arguments -s -S \\\n{}", function_name(visited), flag_lines(tree, command));
  std::size_t number = 1;
  for (const auto& operand : command.operands) {
    const bool many = operand.count == Operand::Count::kOneOrMore;
    const bool optional = operand.count == Operand::Count::kOptional;
    const std::string place = many ? "*" : fmt::format("{}", number++);
    text += fmt::format("    '{}:{}{}:{}' \\\n", place, optional ? ":" : "", operand.name,
                        action(operand.completes));
  }
  if (!command.tail.name.empty()) text += fmt::format("    '*:::{}: ' \\\n", command.tail.name);
  return text + "    && return 0\n}\n\n";
}

// Where a group has a call of its own, its first operand may stand in place of a command, and its flags
// behind that.
std::string group_function(const CommandTree& tree, const Visited& visited) {
  const Command& group = visited.command();
  const bool callable = group.call != nullptr && !group.operands.empty();
  const std::string own_operand =
      callable ? fmt::format("      {}\n", action(group.operands.front().completes)) : "";
  std::string commands;
  std::string branches;
  for (const auto& child : group.subcommands) {
    if (child.shown == Command::Shown::kNo) continue;
    commands += fmt::format("        '{}:{}'\n", child.name, escaped(child.summary));
    std::string names = child.name;
    for (const auto& alias : child.aliases) names += " | " + alias;
    branches += fmt::format("        {}) {}_{} ;;\n", names, function_name(visited), child.name);
  }
  if (callable) {
    branches += fmt::format("        *)\n  _arguments -s -S \\\n{}    && return 0\n        ;;\n",
                            flag_lines(tree, group));
  }
  return fmt::format(
      R"sh({}() {{
  local curcontext=$curcontext context state line
  local -A opt_args
  local -a commands
  _arguments -C -s -S \
{}    '1:command:->command' \
    '*::argument:->arguments' \
    && return 0
  case $state in
    command)
      commands=(
{}      )
      _describe command commands
{}      ;;
    arguments)
      case $line[1] in
{}      esac
      ;;
  esac
}}

)sh",
      function_name(visited), flag_lines(tree, group), commands, own_operand, branches);
}

constexpr const char* kBeginning = R"sh(#compdef tl
# SPDX-License-Identifier: Apache-2.0
# zsh completion of tl. Made by tl-docs from the command tree: do not edit.

_tl_sandboxes() {
  local expl
  local -a known
  known=(${=$(tl sbx ls 2>/dev/null | tail -n +2 | cut -f1,2)})
  _wanted sandboxes expl sandbox compadd -a known
}

_tl_snapshots() {
  local expl
  local -a known
  known=(${=$(tl sbx checkpoint ls -q 2>/dev/null)})
  _wanted snapshots expl snapshot compadd -a known
}

_tl_images() {
  local expl
  local -a known
  known=(${=$(tl sbx image ls 2>/dev/null | tail -n +2 | cut -f1)})
  _wanted images expl image compadd -a known
}

)sh";

}  // namespace

std::string zsh_completion(const CommandTree& tree) {
  std::string script = kBeginning;
  for (const auto& visited : shown_commands(tree)) {
    script +=
        visited.command().subcommands.empty() ? leaf_function(tree, visited) : group_function(tree, visited);
  }
  return script + "_tl \"$@\"\n";
}

}  // namespace tl::cli::docs
