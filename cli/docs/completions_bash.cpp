// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/docs/generate.hpp"
#include "cli/docs/walk.hpp"

namespace tl::cli::docs {
namespace {

// One of the words that `_tl_words` knows; empty for kNothing.
std::string source(Completes completes) {
  switch (completes) {
    case Completes::kSandbox:
      return "@sandbox";
    case Completes::kSnapshot:
      return "@snapshot";
    case Completes::kImage:
      return "@image";
    case Completes::kFolder:
      return "@folder";
    case Completes::kFile:
      return "@file";
    case Completes::kNothing:
      break;
  }
  return {};
}

// What `expects` is set to behind a flag that takes a value.
std::string expectation(const Flag& flag) {
  std::string words = source(flag.completes);
  for (const auto& word : choices(flag)) words += (words.empty() ? "" : " ") + word;
  return words.empty() ? "@nothing" : words;
}

std::string alternatives(const std::vector<std::string>& words) {
  std::string result;
  for (const auto& word : words) result += (result.empty() ? "" : " | ") + word;
  return result;
}

// One branch of the walk over the words before the cursor.
std::string walk_branch(const CommandTree& tree, const Visited& visited) {
  const Command& command = visited.command();
  const std::string path = visited.joined(" ");
  std::string branch = fmt::format("      '{}')\n        case $word in\n", path);
  for (const auto& flag : all_flags(tree, command)) {
    if (flag.value.empty()) continue;
    branch += fmt::format("          {}) expects='{}' ;;\n", alternatives(flag.names), expectation(flag));
  }
  branch += "          -*) ;;\n";
  for (const auto& child : command.subcommands) {
    if (child.shown == Command::Shown::kNo) continue;
    std::vector<std::string> names{child.name};
    names.insert(names.end(), child.aliases.begin(), child.aliases.end());
    const std::string walk = fmt::format("path='{} {}'", path, child.name);
    branch += fmt::format(
        "          {}) {} ;;\n", alternatives(names),
        command.call ? fmt::format("if ((operands++ == 0)); then {} operands=0; fi", walk) : walk);
  }
  if (!command.tail.name.empty()) {
    branch += fmt::format("          *) ((++operands > {})) && return ;;\n", command.operands.size());
  } else {
    branch += "          *) ((++operands)) ;;\n";
  }
  return branch + "        esac\n        ;;\n";
}

// What can stand where the cursor is: flags, then commands or an operand.
std::string offer_branch(const CommandTree& tree, const Visited& visited) {
  const Command& command = visited.command();
  std::string flags;
  for (const auto& flag : all_flags(tree, command)) {
    for (const auto& name : flag.names) flags += (flags.empty() ? "" : " ") + name;
  }
  std::string words;
  for (const auto& child : command.subcommands) {
    if (child.shown == Command::Shown::kYes) words += (words.empty() ? "" : " ") + child.name;
  }
  std::string branch = fmt::format("    '{}')\n      flags='{}'\n", visited.joined(" "), flags);
  if (!words.empty() && !command.call) branch += fmt::format("      expects='{}'\n", words);
  for (std::size_t i = 0; i < command.operands.size(); ++i) {
    const Operand& operand = command.operands[i];
    std::string offered = source(operand.completes);
    if (i == 0 && !words.empty()) offered += (offered.empty() ? "" : " ") + words;
    if (offered.empty()) continue;
    const bool many = operand.count == Operand::Count::kOneOrMore;
    branch += fmt::format("      ((operands {} {})) && expects='{}'\n", many ? ">=" : "==", i, offered);
  }
  return branch + "      ;;\n";
}

constexpr const char* kBeginning = R"sh(# SPDX-License-Identifier: Apache-2.0
# bash completion of tl. Made by tl-docs from the command tree: do not edit.

_tl_words() {
  local offered
  for offered in $1; do
    case $offered in
      @sandbox) "${COMP_WORDS[0]}" sbx ls 2>/dev/null | tail -n +2 | cut -f1,2 ;;
      @snapshot) "${COMP_WORDS[0]}" sbx checkpoint ls -q 2>/dev/null ;;
      @image) "${COMP_WORDS[0]}" sbx image ls 2>/dev/null | tail -n +2 | cut -f1 ;;
      @*) ;;
      *) printf '%s\n' "$offered" ;;
    esac
  done
}

_tl() {
  local cur=${COMP_WORDS[COMP_CWORD]} path=tl operands=0 expects='' flags='' word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == '=' ]]; then continue; fi
    if [[ $expects ]]; then
      expects=''
      continue
    fi
    case $path in
)sh";

constexpr const char* kMiddle = R"sh(    esac
  done
  if [[ $cur == '=' ]]; then cur=''; fi
  [[ $expects ]] || case $path in
)sh";

constexpr const char* kEnd = R"sh(  esac
  if [[ $expects == '@folder' ]]; then
    mapfile -t COMPREPLY < <(compgen -d -- "$cur")
    compopt -o filenames
  elif [[ $expects == '@file' && $cur != -* ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    compopt -o filenames
  elif [[ $cur == -* && $flags ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -W "$(_tl_words "$expects")" -- "$cur")
  fi
}

complete -F _tl tl
)sh";

}  // namespace

std::string bash_completion(const CommandTree& tree) {
  std::string script = kBeginning;
  for (const auto& visited : shown_commands(tree)) script += walk_branch(tree, visited);
  script += kMiddle;
  for (const auto& visited : shown_commands(tree)) script += offer_branch(tree, visited);
  return script + kEnd;
}

}  // namespace tl::cli::docs
