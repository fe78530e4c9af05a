// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "cli/command.hpp"
#include "cli/context.hpp"

namespace tl::cli {

// Everything that can be typed after `tl`.
struct CommandTree {
  Command root;
  std::vector<Flag> globals;            // flags that every command takes
  std::shared_ptr<GlobalFlags> values;  // what they have been set to
};

// Plain data, made anew for each command line: well under a millisecond.
CommandTree make_command_tree();

}  // namespace tl::cli
