// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "cli/command_tree.hpp"

// The texts that are made from the command tree. The same tree gives the same bytes: they are committed.
namespace tl::cli::docs {

std::string bash_completion(const CommandTree& tree);
std::string zsh_completion(const CommandTree& tree);
std::string fish_completion(const CommandTree& tree);

// File name ("tl-sbx-create.1") to page, for every shown command.
std::map<std::string, std::string> man_pages(const CommandTree& tree);

}  // namespace tl::cli::docs
