// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/command_tree.hpp"

namespace tl::cli::docs {

// A command with the commands above it.
struct Visited {
  std::vector<const Command*> path;  // from the root on

  [[nodiscard]] const Command& command() const { return *path.back(); }
  [[nodiscard]] std::string joined(std::string_view separator) const;  // "tl-sbx-create"
};

// Every command that is shown, parents before their children.
std::vector<Visited> shown_commands(const CommandTree& tree);

// The shown flags of a command and then the global ones, -h and --help last.
std::vector<Flag> all_flags(const CommandTree& tree, const Command& command);

// The words of "auto|kvm|tcg"; empty for a value that is not such a choice.
std::vector<std::string> choices(const Flag& flag);

}  // namespace tl::cli::docs
