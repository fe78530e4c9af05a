// SPDX-License-Identifier: Apache-2.0
#include "cli/help.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <utility>

namespace tl::cli {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kWidestTerm = 24;  // a longer one has its explanation on the next line

// Breaks `text` at spaces. The first line starts at column `column`, the others at `indent`.
std::string wrapped(std::string_view text, std::size_t column, std::size_t indent) {
  std::string result;
  bool first_in_line = true;
  while (!text.empty()) {
    const std::size_t space = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, space);
    if (!first_in_line && column + 1 + word.size() > kColumns) {
      result.append("\n").append(indent, ' ');
      column = indent;
      first_in_line = true;
    }
    if (!first_in_line) {
      result += ' ';
      ++column;
    }
    result += word;
    column += word.size();
    first_in_line = false;
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  return result + "\n";
}

std::string paragraphs(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find("\n\n"), text.size());
    result += wrapped(text.substr(0, end), 0, 0);
    text.remove_prefix(std::min(end + 2, text.size()));
    if (!text.empty()) result += "\n";
  }
  return result;
}

using Entry = std::pair<std::string, std::string>;  // term, explanation

std::string section(std::string_view title, const std::vector<Entry>& entries, Terminal terminal) {
  if (entries.empty()) return {};
  std::size_t width = 0;
  for (const auto& [term, explanation] : entries) {
    if (term.size() <= kWidestTerm) width = std::max(width, term.size());
  }
  std::string result = "\n" + terminal.bold(title) + "\n";
  for (const auto& [term, explanation] : entries) {
    const std::size_t column = width + 4;
    result += "  " + term;
    if (term.size() > width) {
      result.append("\n").append(column, ' ');
    } else {
      result.append(column - 2 - term.size(), ' ');
    }
    result += wrapped(explanation, column, column);
  }
  return result;
}

std::vector<Entry> entries_of(const std::vector<Flag>& flags) {
  std::vector<Entry> entries;
  for (const auto& flag : flags) {
    if (is_shown(flag)) entries.emplace_back(flag_synopsis(flag), flag.help);
  }
  return entries;
}

std::string examples_text(const Command& command, Terminal terminal) {
  if (command.examples.empty()) return {};
  std::string result = "\n" + terminal.bold("Examples:") + "\n";
  for (const auto& example : command.examples) {
    result += "  " + example.command + "\n      " + wrapped(example.effect, 6, 6);
  }
  return result;
}

}  // namespace

bool is_shown(const Flag& flag) {
  return flag.unavailable_until.empty();
}

bool is_shown(const Command& command) {
  return command.shown == Command::Shown::kYes;
}

std::string as_sentence(std::string_view summary) {
  std::string sentence(summary);
  const bool is_a_name = sentence.starts_with("tl ");
  if (!sentence.empty() && !is_a_name) sentence.front() = static_cast<char>(std::toupper(sentence.front()));
  return sentence + ".";
}

std::string flag_synopsis(const Flag& flag) {
  std::string result;
  for (const auto& name : flag.names) result += (result.empty() ? "" : ", ") + name;
  return flag.value.empty() ? result : result + " " + flag.value;
}

std::vector<std::string> usage_lines(const Command& command, std::string_view full_name) {
  const std::string group = std::string(full_name) + " [FLAGS] COMMAND ...";
  if (!command.call && !command.subcommands.empty()) return {group};
  std::string line = std::string(full_name) + " [FLAGS]";
  for (const auto& operand : command.operands) {
    const char* after = operand.count == Operand::Count::kOneOrMore ? "..." : "";
    const bool optional = operand.count == Operand::Count::kOptional;
    line += optional ? " [" + operand.name + "]" : " " + operand.name + after;
  }
  if (const Tail& tail = command.tail; !tail.name.empty()) {
    const std::string words = "[--] " + tail.name + " [ARGS...]";
    line += tail.needed == Tail::Needed::kYes ? " " + words : " [" + words + "]";
  }
  if (command.subcommands.empty()) return {line};
  return {line, group};
}

std::string help_text(const Command& command, const std::vector<Flag>& globals, std::string_view full_name,
                      Terminal terminal) {
  std::string text = wrapped(as_sentence(command.summary), 0, 0);
  std::string label = "\n" + terminal.bold("Usage:") + " ";
  for (const auto& line : usage_lines(command, full_name)) {
    text += label + line + "\n";
    label = "       ";
  }
  if (!command.aliases.empty()) {
    std::string aliases;
    for (const auto& alias : command.aliases) aliases += (aliases.empty() ? "" : ", ") + alias;
    text += terminal.bold("Also called:") + " " + aliases + "\n";
  }
  if (!command.description.empty()) text += "\n" + paragraphs(command.description);

  std::vector<Entry> commands;
  for (const auto& subcommand : command.subcommands) {
    if (is_shown(subcommand)) commands.emplace_back(subcommand.name, subcommand.summary);
  }
  text += section("Commands:", commands, terminal);

  std::vector<Entry> operands;
  for (const auto& operand : command.operands) operands.emplace_back(operand.name, operand.help);
  if (!command.tail.name.empty()) operands.emplace_back(command.tail.name, command.tail.help);
  text += section("Operands:", operands, terminal);

  text += section("Flags:", entries_of(command.flags), terminal);
  std::vector<Entry> everywhere = entries_of(globals);
  everywhere.emplace_back("-h, --help", "print this help");
  text += section("Flags of every command:", everywhere, terminal);

  text += examples_text(command, terminal);
  std::vector<Entry> statuses;
  for (const auto& status : command.exit_statuses) statuses.emplace_back(status.code, status.meaning);
  text += section("Exit status:", statuses, terminal);
  return text;
}

}  // namespace tl::cli
