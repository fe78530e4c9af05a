// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"
#include "runtime/guest/protocol/messages.hpp"

// Makes the guest the sandbox that it is told to be. PID 1 only, after boot and after each restore, before
// commands run; on any one thread, for it writes to the root file system.
namespace tl::guest {

// Does all that it can; the report names everything that failed. A guest that goes on from a template is left
// to take_identity() for the rest.
ConfigureReport configure_guest(const Configuration& configuration);

// The names and the hardware address of a guest that goes on from a template, which needs them only when
// something is to run in it.
ConfigureReport take_identity(const Configuration& configuration);

// Grows the mounted ext4 root file system of /dev/vda to so many MiB; does nothing when it is as large
// already.
Result<void> grow_root(std::uint64_t mib);

// The contents of /etc/hosts with `hostname` in it: on the line of 127.0.1.1, which is replaced or added,
// unless some line has the name already.
std::string with_host(const std::string& hosts, const std::string& hostname);

}  // namespace tl::guest
