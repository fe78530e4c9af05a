// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/command.hpp"

// The exit-status sections of the manual; see exit_code.hpp.
namespace tl::cli {

// 0, 1 and 2, which every command has, and those of `codes` (3 to 6) that this one can give.
std::vector<ExitStatus> statuses(const std::vector<int>& codes);
// Of a command that is nothing without a command after it.
std::vector<ExitStatus> group_statuses();
// Of verbs that pass on the exit code of the user's command.
std::vector<ExitStatus> command_statuses();

}  // namespace tl::cli
