// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"
#include "runtime/storage/ext4_builder.hpp"
#include "runtime/storage/import_watch.hpp"

namespace tl::storage {

// What becomes of the owners of files: they stay as they are, or the user (and the group) that we run as
// becomes root, as who unpacked a root file system without being root would have it.
enum class FolderOwners { kAsTheyAre, kOursAreRoots };

// Adds a folder of the host, with owners, modes, times, hard links, devices, sockets, holes, POSIX ACLs and
// extended attributes (but for the labels of the host's own security policy). Walked as by walk_folder().
// kOutOfRange when it does not fit on the disk.
Result<void> add_folder(Ext4Builder& builder, int folder, FolderOwners owners, const ImportWatch& watch);

// A digest ("sha256:…") of what the host's file system tells of all that is in the folder, inode numbers and
// times of change included: nothing in it can change without changing that.
Result<std::string> digest_of_folder(int folder, FolderOwners owners, const ImportWatch& watch);

}  // namespace tl::storage
