// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <archive_entry.h>

#include "runtime/storage/ext4_tree.hpp"

namespace tl::storage {

// The entry's POSIX ACLs as "system.posix_acl_access" and "system.posix_acl_default", in the kernel's format
// for xattrs; nothing for those that say no more than the mode does.
std::vector<Ext4Attributes::Xattr> posix_acls(archive_entry* entry);

// The reverse: gives the entry the ACL of such an attribute, unless that is damaged. False when it is
// another.
bool add_posix_acl(archive_entry* entry, const Ext4Attributes::Xattr& xattr);

}  // namespace tl::storage
