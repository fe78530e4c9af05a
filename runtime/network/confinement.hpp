// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.hpp"

namespace tl::network {

// Gives up for good what a network does not need (seccomp(2)): programs, other processes, sockets that are
// not IPv4's or IPv6's, memory that becomes code, files but to read them. Where the kernel knows Landlock
// (Linux 5.13) these are files of /etc and of where resolvers' addresses are found; elsewhere, what the user
// may read. What is not allowed fails with EPERM, or EACCES. What is open stays so.
//
// The process has one thread, and has set PR_SET_NO_NEW_PRIVS.
Result<void> confine();

}  // namespace tl::network
