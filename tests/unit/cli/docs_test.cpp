// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <filesystem>
#include <map>
#include <string>

#include "cli/command_tree.hpp"
#include "cli/docs/generate.hpp"
#include "cli/docs/walk.hpp"
#include "cli/help.hpp"
#include "common/io.hpp"
#include "tests/support/catch.hpp"

using tl::cli::make_command_tree;
namespace docs = tl::cli::docs;

namespace {

std::map<std::string, std::string> committed(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(TL_SOURCE_DIR "/") + folder)) {
    const auto text = tl::read_file(AT_FDCWD, entry.path().string(), 1 << 20);
    REQUIRE(text);
    files[entry.path().filename().string()] = *text;
  }
  return files;
}

void require_same(const std::map<std::string, std::string>& there,
                  const std::map<std::string, std::string>& made) {
  REQUIRE(there.size() == made.size());
  for (const auto& [name, text] : made) {
    INFO(name);
    REQUIRE(there.count(name) == 1);
    REQUIRE(there.at(name) == text);
  }
}

}  // namespace

TEST_CASE("the committed man pages are those of the command tree (else build the target docs)") {
  require_same(committed("man"), docs::man_pages(make_command_tree()));
}

TEST_CASE("the committed completions are those of the command tree (else build the target docs)") {
  const auto tree = make_command_tree();
  const std::map<std::string, std::string> made = {{"tl.bash", docs::bash_completion(tree)},
                                                   {"_tl", docs::zsh_completion(tree)},
                                                   {"tl.fish", docs::fish_completion(tree)}};
  require_same(committed("completions"), made);
}

TEST_CASE("every command explains itself") {
  const auto tree = make_command_tree();
  for (const auto& visited : docs::shown_commands(tree)) {
    INFO(visited.joined(" "));
    const auto& command = visited.command();
    REQUIRE_FALSE(command.summary.empty());
    REQUIRE_FALSE(command.description.empty());
    REQUIRE_FALSE(command.examples.empty());
    REQUIRE_FALSE(command.exit_statuses.empty());
    REQUIRE((command.call || !command.subcommands.empty()));
    for (const auto& flag : docs::all_flags(tree, command)) {
      INFO(flag.names.front());
      REQUIRE_FALSE(flag.help.empty());
    }
    for (const auto& example : command.examples) {
      INFO(example.command);
      const bool names_it = example.command.find(visited.joined(" ")) != std::string::npos;
      REQUIRE((names_it || !command.subcommands.empty()));
    }
  }
}

TEST_CASE("help is at most 80 columns wide where words allow") {
  const auto tree = make_command_tree();
  for (const auto& visited : docs::shown_commands(tree)) {
    const auto text = tl::cli::help_text(visited.command(), tree.globals, visited.joined(" "), {});
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = text.find('\n', begin);
      const std::string line = text.substr(begin, end - begin);
      INFO(visited.joined(" ") << ": " << line);
      const bool typed_by_people = line.find("tl sbx") != std::string::npos;
      REQUIRE((line.size() <= 80 || typed_by_people));
      begin = end + 1;
    }
  }
}

TEST_CASE("completions of a command with a call offer its operand beside its subcommands") {
  const auto tree = make_command_tree();
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  const auto bash = docs::bash_completion(tree);
  REQUIRE(has(bash, "    'tl sbx checkpoint')\n      flags="));
  REQUIRE(has(bash, "((operands == 0)) && expects='@sandbox ls rm'\n"));
  REQUIRE(
      has(bash, "ls | list) if ((operands++ == 0)); then path='tl sbx checkpoint ls' operands=0; fi ;;\n"));
  REQUIRE(has(docs::zsh_completion(tree), "_describe command commands\n      _tl_sandboxes\n"));
  const auto fish = docs::fish_completion(tree);
  REQUIRE(has(fish, "complete -c tl -n \"__tl_at 'tl sbx checkpoint' 0\" -a ls "));
  REQUIRE(has(fish, "complete -c tl -n \"__tl_at 'tl sbx checkpoint' 0\" -a '(__tl_sandboxes)'\n"));
}

TEST_CASE("completions of snapshots ask tl") {
  const auto tree = make_command_tree();
  REQUIRE(docs::bash_completion(tree).find("-s | --snapshot) expects='@snapshot'") != std::string::npos);
  REQUIRE(docs::zsh_completion(tree).find(":ID:_tl_snapshots'") != std::string::npos);
  REQUIRE(docs::fish_completion(tree).find(" -l snapshot -x -a '(__tl_snapshots)'") != std::string::npos);
}

TEST_CASE("the manual of a command with a call shows both ways to call it") {
  const auto page = docs::man_pages(make_command_tree()).at("tl-sbx-checkpoint.1");
  REQUIRE(
      page.find(".SH SYNOPSIS\ntl sbx checkpoint [FLAGS] ID\n.br\ntl sbx checkpoint [FLAGS] COMMAND ...\n") !=
      std::string::npos);
}

TEST_CASE("a choice of words is told from the name of a value") {
  tl::cli::Flag flag;
  flag.value = "auto|kvm";
  REQUIRE(docs::choices(flag) == std::vector<std::string>{"auto", "kvm"});
  flag.value = "NAME|UID";
  REQUIRE(docs::choices(flag).empty());
  flag.value = "";
  REQUIRE(docs::choices(flag).empty());
}

TEST_CASE("a command that a line names exactly is made alone, and is the one that it is among all", "[cli]") {
  const auto whole = make_command_tree();
  const tl::cli::Command& sbx = whole.root.subcommands.front();
  REQUIRE(sbx.subcommands.size() > 20);
  for (const tl::cli::Command& verb : sbx.subcommands) {
    INFO(verb.name);
    const auto lean = make_command_tree({"sbx", verb.name, "ls"});
    const auto& made = lean.root.subcommands.front().subcommands;
    REQUIRE(made.size() == 1);
    CHECK(made.front().name == verb.name);
    CHECK(made.front().flags.size() == verb.flags.size());
    CHECK(made.front().subcommands.size() == verb.subcommands.size());
  }
  using Words = std::vector<std::string>;
  for (const Words& words : {Words{"sbx"}, Words{"sbx", "cr"}, Words{"sb", "create"}, Words{"sbx", "--help"},
                             Words{"--home", "/x", "sbx", "create"}, Words{"version"}}) {
    CHECK(make_command_tree(words).root.subcommands.front().subcommands.size() == sbx.subcommands.size());
  }
}
