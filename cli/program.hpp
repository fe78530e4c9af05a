// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/command_tree.hpp"
#include "cli/context.hpp"

namespace tl::cli {

// Carries out one command line: `words` without the program's name. Returns the exit code; everything printed
// has been written.
int run_program(const std::vector<std::string>& words, const Services& services, const Console& console);

}  // namespace tl::cli
