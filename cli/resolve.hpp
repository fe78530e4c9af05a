// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/command.hpp"
#include "cli/refusal.hpp"

namespace tl::cli {

// Which command a command line means, and which of its words belong to whom.
struct Resolved {
  std::vector<const Command*> path;  // from the root to the command; at least the root
  std::vector<std::string> words;  // flags and operands of the command, those typed before its name included
  std::vector<std::string> tail;   // the user's command; empty unless the command has a tail

  [[nodiscard]] const Command& command() const { return *path.back(); }
  [[nodiscard]] std::string full_name() const;  // "tl sbx create"
};

// Walks down the tree. Commands are found by name, alias or unambiguous prefix; below a command
// that has a call of its own, by name or alias only, and any other word, or "--", begins its operands.
// `globals` are flags that every command takes.
//
// A command with a tail has its own flags only up to the first word of the tail: that is the first operand
// beyond those that the command declares, or whatever follows "--" once these are there. A "--" before that
// is taken as the end of our flags too.
std::variant<Resolved, Refusal> resolve(const Command& root, const std::vector<Flag>& globals,
                                        const std::vector<std::string>& words);

}  // namespace tl::cli
