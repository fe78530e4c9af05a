// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tl::storage {

// A POSIX ACL as ext4 keeps it on the disk, in the kernel's format for xattrs ("system.posix_acl_*"): the
// same entries, of which each has a number there, not only those of a named user or group. nullopt for one
// that is damaged. libext2fs' own conversion trusts the lengths.
std::optional<std::string> kernel_acl(std::string_view on_disk);

}  // namespace tl::storage
