// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/command.hpp"
#include "runtime/sandbox/spec.hpp"

// Flags that create and run share.
namespace tl::cli {

// -c -m --disk_mb -s -N --accel --no-template, and --image under `image_names`; they set `request`, which
// outlives the command.
void add_creation_flags(Command& command, CreateRequest& request,
                        const std::vector<std::string>& image_names);

}  // namespace tl::cli
