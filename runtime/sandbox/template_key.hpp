// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "runtime/registry/record.hpp"

namespace tl {

// Which template is right for a sandbox: the same whenever everything is the same that a machine which has
// just booted depends on, this very program included. `cpu` as in monitor::LaunchSpec.
[[nodiscard]] std::string template_key(const registry::SandboxRecord& record,
                                       const std::filesystem::path& kernel, const std::string& cpu);

}  // namespace tl
