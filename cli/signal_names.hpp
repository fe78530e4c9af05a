// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "cli/command.hpp"

namespace tl::cli {

// "SIGTERM"; "signal 40" for one without a name.
std::string signal_name(int signal);

// Takes "TERM", "SIGTERM", in any case, or 1 to 64. The target outlives the setter.
Setter store_signal(std::optional<int>& target);

}  // namespace tl::cli
