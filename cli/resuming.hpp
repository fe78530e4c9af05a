// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/context.hpp"
#include "runtime/sandbox/runtime.hpp"

namespace tl::cli {

// Says once on a terminal that a suspended sandbox is resumed before the verb's own work is done; empty, and
// so silent, elsewhere. Both arguments outlive it.
Runtime::Progress tell_of_resuming(Context& context, const std::string& sandbox);

}  // namespace tl::cli
