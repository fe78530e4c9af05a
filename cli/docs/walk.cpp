// SPDX-License-Identifier: Apache-2.0
#include "cli/docs/walk.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include "cli/help.hpp"

namespace tl::cli::docs {
namespace {

void visit(std::vector<const Command*> path, std::vector<Visited>& visited) {
  visited.push_back({path});
  for (const auto& subcommand : visited.back().command().subcommands) {
    if (!is_shown(subcommand)) continue;
    path.push_back(&subcommand);
    visit(path, visited);
    path.pop_back();
  }
}

}  // namespace

std::string Visited::joined(std::string_view separator) const {
  std::string name;
  for (const auto* command : path) name.append(name.empty() ? "" : separator).append(command->name);
  return name;
}

std::vector<Visited> shown_commands(const CommandTree& tree) {
  std::vector<Visited> visited;
  visit({&tree.root}, visited);
  return visited;
}

std::vector<Flag> all_flags(const CommandTree& tree, const Command& command) {
  std::vector<Flag> flags;
  for (const auto* source : {&command.flags, &tree.globals}) {
    std::copy_if(source->begin(), source->end(), std::back_inserter(flags),
                 [](const Flag& flag) { return is_shown(flag); });
  }
  flags.push_back({.names = {"-h", "--help"}, .value = "", .help = "print help"});
  return flags;
}

std::vector<std::string> choices(const Flag& flag) {
  const bool words = std::all_of(flag.value.begin(), flag.value.end(),
                                 [](unsigned char c) { return c == '|' || std::islower(c) != 0; });
  if (!words || flag.value.empty()) return {};
  std::vector<std::string> result(1);
  for (const char c : flag.value) {
    if (c == '|') {
      result.emplace_back();
    } else {
      result.back() += c;
    }
  }
  return result;
}

}  // namespace tl::cli::docs
