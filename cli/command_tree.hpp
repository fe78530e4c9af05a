// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
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

// Plain data, made anew for each command line. Where `words` begin with "sbx" and the exact name of one of
// its commands, as nearly every line of a script does, that one is made alone, which spares a client a
// quarter of its page faults.
CommandTree make_command_tree(const std::vector<std::string>& words = {});

}  // namespace tl::cli
