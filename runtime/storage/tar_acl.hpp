// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <archive_entry.h>

#include "runtime/storage/ext4_tree.hpp"

namespace tl::storage {

// The entry's POSIX ACLs as "system.posix_acl_access" and "system.posix_acl_default", in the kernel's format
// for xattrs; nothing for those that say no more than the mode does.
std::vector<Ext4Attributes::Xattr> posix_acls(archive_entry* entry);

// The permissions (07777) that the kernel has beside such an ACL: where it has a mask, the group's bits are
// that, while libarchive's are those of the owning group. The kernel ignores an ACL where the group has none.
std::uint32_t permissions_of(archive_entry* entry);

// The reverse: gives the entry the ACL of such an attribute, unless that is damaged. False when it is
// another.
bool add_posix_acl(archive_entry* entry, const Ext4Attributes::Xattr& xattr);

}  // namespace tl::storage
