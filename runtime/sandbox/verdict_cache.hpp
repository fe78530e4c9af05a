// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/machine/probe/verdict.hpp"
#include "runtime/registry/paths.hpp"

namespace tl {

// What this host's accelerators are worth: remembered in the state folder (host.json) as long as the host's
// fingerprints stay the same, so that creating a sandbox does not probe. A cache that cannot be read or
// written only costs the probe. What `requested` does not depend on may be out of date.
machine::HostVerdicts host_verdicts(const registry::StateFolder& folder,
                                    machine::AcceleratorRequest requested);

// Probes now and remembers.
machine::HostVerdicts probe_and_remember(const registry::StateFolder& folder);

}  // namespace tl
