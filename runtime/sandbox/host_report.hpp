// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/registry/paths.hpp"
#include "runtime/sandbox/info.hpp"

namespace tl {

// What `doctor` tells: accelerators, guest kernel, default image, state folder, space, memory, limits. Probes
// the host afresh.
HostReport examine_host(const registry::StateFolder& folder);

}  // namespace tl
