// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/docs/generate.hpp"
#include "cli/docs/walk.hpp"
#include "cli/help.hpp"

namespace tl::cli::docs {
namespace {

// Text as man(7) takes it: no character of it is a request, a hyphen stays a hyphen when copied.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else if (c == '\'') {
      result += "\\(aq";
    } else if (c == '"') {
      result += "\\(dq";
    } else if (c == '.' && (result.empty() || result.back() == '\n')) {
      result += "\\&.";
    } else {
      result += c;
    }
  }
  return result;
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

void add_item(std::string& page, std::string_view term, std::string_view explanation) {
  page += fmt::format(".TP\n\\fB{}\\fR\n{}\n", escaped(term), escaped(explanation));
}

void add_description(std::string& page, const Command& command) {
  page += ".SH DESCRIPTION\n";
  std::string_view rest = command.description;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find("\n\n"), rest.size());
    page += ".PP\n" + escaped(rest.substr(0, end)) + "\n";
    rest.remove_prefix(std::min(end + 2, rest.size()));
  }
}

// "-c, --cpus F", each name in bold and the value in italics.
std::string flag_term(const Flag& flag) {
  std::string term;
  for (const auto& name : flag.names) {
    term += fmt::format("{}\\fB{}\\fR", term.empty() ? "" : ", ", escaped(name));
  }
  if (!flag.value.empty()) term += fmt::format(" \\fI{}\\fR", escaped(flag.value));
  return term;
}

void add_lists(std::string& page, const CommandTree& tree, const Command& command) {
  if (!command.subcommands.empty()) page += ".SH COMMANDS\n";
  for (const auto& subcommand : command.subcommands) {
    if (!is_shown(subcommand)) continue;
    std::string names = subcommand.name;
    for (const auto& alias : subcommand.aliases) names += ", " + alias;
    add_item(page, names, as_sentence(subcommand.summary));
  }
  if (!command.operands.empty() || !command.tail.name.empty()) page += ".SH OPERANDS\n";
  for (const auto& operand : command.operands) add_item(page, operand.name, as_sentence(operand.help));
  if (!command.tail.name.empty()) add_item(page, command.tail.name, as_sentence(command.tail.help));
  page += ".SH FLAGS\n";
  for (const auto& flag : all_flags(tree, command)) {
    page += fmt::format(".TP\n{}\n{}\n", flag_term(flag), escaped(as_sentence(flag.help)));
  }
}

void add_examples(std::string& page, const Command& command) {
  page += ".SH EXAMPLES\n";
  for (const auto& example : command.examples) {
    page += fmt::format(".PP\n{}\n.PP\n.RS 4\n.nf\n{}\n.fi\n.RE\n", escaped(example.effect),
                        escaped("$ " + example.command));
  }
}

void add_see_also(std::string& page, const Visited& visited) {
  page += ".SH SEE ALSO\n";
  std::string names;
  const auto add = [&names](const std::string& name) {
    names += fmt::format("{}\\fB{}\\fR(1)", names.empty() ? "" : ",\n", escaped(name));
  };
  if (visited.path.size() > 1) {
    add(Visited{{visited.path.begin(), visited.path.end() - 1}}.joined("-"));
  }
  for (const auto& subcommand : visited.command().subcommands) {
    if (is_shown(subcommand)) add(visited.joined("-") + "-" + subcommand.name);
  }
  page += names + "\n";
}

std::string man_page(const CommandTree& tree, const Visited& visited) {
  const Command& command = visited.command();
  const std::string name = visited.joined("-");
  std::string page =
      ".\\\" SPDX-License-Identifier: Apache-2.0\n.\\\" Made by tl-docs from the command tree: do not "
      "edit.\n";
  page += fmt::format(".TH {} 1 \"\" \"tl {}\" \"tl manual\"\n", upper(escaped(name)), TL_VERSION);
  page += fmt::format(".SH NAME\n{} \\- {}\n", escaped(name), escaped(command.summary));
  page += ".SH SYNOPSIS\n";
  const char* separator = "";
  for (const auto& line : usage_lines(command, visited.joined(" "))) {
    page += fmt::format("{}{}\n", separator, escaped(line));
    separator = ".br\n";
  }
  for (const auto& alias : command.aliases) {
    const Visited parent{{visited.path.begin(), visited.path.end() - 1}};
    page += fmt::format(".br\n{} {} ...\n", escaped(parent.joined(" ")), escaped(alias));
  }
  add_description(page, command);
  add_lists(page, tree, command);
  page += ".SH EXIT STATUS\n";
  for (const auto& status : command.exit_statuses) add_item(page, status.code, as_sentence(status.meaning));
  add_examples(page, command);
  add_see_also(page, visited);
  return page;
}

}  // namespace

std::map<std::string, std::string> man_pages(const CommandTree& tree) {
  std::map<std::string, std::string> pages;
  for (const auto& visited : shown_commands(tree)) {
    pages.emplace(visited.joined("-") + ".1", man_page(tree, visited));
  }
  return pages;
}

}  // namespace tl::cli::docs
