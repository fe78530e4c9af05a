// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/docs/generate.hpp"
#include "cli/docs/walk.hpp"

namespace tl::cli::docs {
namespace {

std::string single_quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

std::string alternatives(const std::vector<std::string>& words) {
  std::string result;
  for (const auto& word : words) result += (result.empty() ? "" : " ") + word;
  return result;
}

// One case of the walk over the words before the cursor.
std::string walk_case(const CommandTree& tree, const Visited& visited) {
  const Command& command = visited.command();
  const std::string path = visited.joined(" ");
  std::string text = fmt::format("            case '{}'\n                switch $word\n", path);
  for (const auto& flag : all_flags(tree, command)) {
    if (flag.value.empty()) continue;
    text += fmt::format("                    case {}\n                        set skip 1\n",
                        alternatives(flag.names));
  }
  text += "                    case '-*'\n";
  for (const auto& child : command.subcommands) {
    if (child.shown == Command::Shown::kNo) continue;
    std::vector<std::string> names{child.name};
    names.insert(names.end(), child.aliases.begin(), child.aliases.end());
    text += fmt::format("                    case {}\n", alternatives(names));
    const std::string walk = fmt::format("set path '{} {}'", path, child.name);
    text += command.call ? fmt::format(
                               "                        if test $operands -eq 0\n"
                               "                            {}\n"
                               "                        else\n"
                               "                            set operands (math $operands + 1)\n"
                               "                        end\n",
                               walk)
                         : fmt::format("                        {}\n", walk);
  }
  text += "                    case '*'\n                        set operands (math $operands + 1)\n";
  if (!command.tail.name.empty()) {
    text +=
        fmt::format("                        test $operands -gt {}; and return 1\n", command.operands.size());
  }
  return text + "                end\n";
}

// What completes a value; empty for kNothing.
std::string source(Completes completes) {
  switch (completes) {
    case Completes::kSandbox:
      return "(__tl_sandboxes)";
    case Completes::kSnapshot:
      return "(__tl_snapshots)";
    case Completes::kImage:
      return "(__tl_images)";
    case Completes::kFolder:
      return "(__fish_complete_directories)";
    case Completes::kFile:
      return "(__fish_complete_path)";
    case Completes::kNothing:
      break;
  }
  return {};
}

std::string values(const Flag& flag) {
  if (const std::string from = source(flag.completes); !from.empty()) return fmt::format(" -x -a '{}'", from);
  const auto words = choices(flag);
  return words.empty() ? " -x" : fmt::format(" -x -a {}", single_quoted(alternatives(words)));
}

std::string offers(const CommandTree& tree, const Visited& visited) {
  const Command& command = visited.command();
  const std::string path = visited.joined(" ");
  std::string text;
  for (const auto& child : command.subcommands) {
    if (child.shown == Command::Shown::kNo) continue;
    text += fmt::format("complete -c tl -n \"__tl_at '{}'{}\" -a {} -d {}\n", path, command.call ? " 0" : "",
                        child.name, single_quoted(child.summary));
  }
  std::size_t number = 0;
  for (const auto& operand : command.operands) {
    if (const std::string from = source(operand.completes); !from.empty()) {
      const std::string place = operand.count == Operand::Count::kOneOrMore ? "" : fmt::format(" {}", number);
      text += fmt::format("complete -c tl -n \"__tl_at '{}'{}\" -a '{}'\n", path, place, from);
    }
    ++number;
  }
  for (const auto& flag : all_flags(tree, command)) {
    std::string names;
    for (const auto& name : flag.names) {
      names += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    text += fmt::format("complete -c tl -n \"__tl_at '{}'\"{}{} -d {}\n", path, names,
                        flag.value.empty() ? "" : values(flag), single_quoted(flag.help));
  }
  return text;
}

constexpr const char* kBeginning = R"sh(# SPDX-License-Identifier: Apache-2.0
# fish completion of tl. Made by tl-docs from the command tree: do not edit.

function __tl_sandboxes
    tl sbx ls 2>/dev/null | tail -n +2 | while read -l -d \t id name state rest
        printf '%s\t%s\n' $id $state
        test -n "$name"; and printf '%s\t%s\n' $name $state
    end
end

function __tl_snapshots
    tl sbx checkpoint ls 2>/dev/null | tail -n +2 | while read -l -d \t id state type rest
        printf '%s\t%s\n' $id $type
    end
end

function __tl_images
    tl sbx image ls 2>/dev/null | tail -n +2 | cut -f1
end

# __tl_at PATH [OPERANDS]: the cursor is behind the command PATH and, when given, that many operands.
function __tl_at
    set -l path tl
    set -l operands 0
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip -eq 1
            set skip 0
            continue
        end
        switch $path
)sh";

constexpr const char* kMiddle = R"sh(        end
    end
    test "$path" = "$argv[1]"; and begin
        test (count $argv) -eq 1; or test $operands -eq $argv[2]
    end
end

complete -c tl -f
)sh";

}  // namespace

std::string fish_completion(const CommandTree& tree) {
  std::string script = kBeginning;
  for (const auto& visited : shown_commands(tree)) script += walk_case(tree, visited);
  script += kMiddle;
  for (const auto& visited : shown_commands(tree)) script += offers(tree, visited);
  return script;
}

}  // namespace tl::cli::docs
