// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "runtime/sandbox/info.hpp"

namespace tl::cli {

// A Host stanza of ssh_config(5). Host keys are not checked, nor kept: what leads there is tl itself, and
// sandboxes come and go.
std::string ssh_config_text(const SshAccess& access);

}  // namespace tl::cli
