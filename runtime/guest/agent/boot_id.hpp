// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.hpp"

namespace tl::guest {

// A random UUID (RFC 9562, version 4) as the kernel writes one: lower case.
std::string new_uuid();

// The kernel makes up its boot id once, so that all copies of a saved guest have the same. This lays a new
// one over /proc/sys/kernel/random/boot_id: a file in /run, mounted read-only. Mount name spaces and /proc
// file systems that exist already or are mounted anew in a PID name space still show the kernel's.
Result<void> renew_boot_id();

}  // namespace tl::guest
