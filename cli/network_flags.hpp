// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.hpp"
#include "runtime/registry/record.hpp"

namespace tl::cli {

// -N, -A and -D: whom a sandbox may speak to. The policy outlives the command.
void add_network_flags(Command& command, registry::NetworkPolicy& policy);

}  // namespace tl::cli
