// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/command.hpp"
#include "cli/terminal.hpp"

namespace tl::cli {

// What --help prints. `full_name` is "tl sbx create". At most 80 columns wide, except for words that are
// longer.
std::string help_text(const Command& command, const std::vector<Flag>& globals, std::string_view full_name,
                      Terminal terminal);

// "tl sbx create [FLAGS] [NAME]"; of a command with subcommands and a call, the call's line first.
std::vector<std::string> usage_lines(const Command& command, std::string_view full_name);

// "-c, --cpus F"
std::string flag_synopsis(const Flag& flag);

// True for what help, man pages and completions show.
bool is_shown(const Flag& flag);
bool is_shown(const Command& command);

// "create a sandbox" → "Create a sandbox."
std::string as_sentence(std::string_view summary);

}  // namespace tl::cli
