// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <variant>
#include <vector>

#include "cli/command.hpp"
#include "cli/refusal.hpp"
#include "cli/resolve.hpp"

namespace tl::cli {

struct Parsed {};         // every setter has been called
struct HelpRequested {};  // -h or --help was among the flags

// Gives the words of a resolved command line to the command's setters. CLI11 does it, for this one command
// only: the rest of the tree costs nothing. The only file that includes CLI11 is parse.cpp.
std::variant<Parsed, HelpRequested, Refusal> parse(const Resolved& resolved,
                                                   const std::vector<Flag>& globals);

}  // namespace tl::cli
