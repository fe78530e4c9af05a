// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"
#include "runtime/guest/protocol/messages.hpp"

// Makes the guest the sandbox that it is told to be. PID 1 only, after boot and after each restore, before
// commands run; on any one thread, for it writes to the root file system.
namespace tl::guest {

// Does all that it can; the report names everything that failed.
ConfigureReport configure_guest(const Configuration& configuration);

// Grows the mounted ext4 root file system of /dev/vda to so many MiB; does nothing when it is as large
// already.
Result<void> grow_root(std::uint64_t mib);

// The contents of /etc/hosts with `hostname` in it: on the line of 127.0.1.1, which is replaced or added,
// unless some line has the name already.
std::string with_host(const std::string& hosts, const std::string& hostname);

}  // namespace tl::guest
