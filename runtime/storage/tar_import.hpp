// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/result.hpp"
#include "runtime/storage/ext4_builder.hpp"
#include "runtime/storage/tar_source.hpp"

namespace tl::storage {

struct TarSummary {
  std::uint64_t entries = 0;
  std::uint64_t data_bytes = 0;  // of regular files, holes not counted
};

// What names with ".wh." in front mean: files of that name, or what is hidden of earlier layers (OCI image
// specification, "Whiteouts"). Ext4Builder::begin_layer() is the caller's.
enum class Whiteouts { kAreFiles, kHide };

// Adds what a tar holds (ustar, pax, GNU; plain or compressed with gzip, zstd or xz) to a file system, over
// what is there already. Owners, modes, times, hard links, devices, sparse files, POSIX ACLs and the extended
// attributes of Linux's namespaces (security, trusted, user) are kept; owners by number.
//
// The archive is a stranger's: paths are resolved by Ext4Tree alone; more data than the disk holds is
// kOutOfRange, and so is an archive that is damaged, cut off, or without its end mark. The source is read to
// its end, also past the end mark, so that a program writing into a pipe can finish.
Result<TarSummary> add_tar(Ext4Builder& builder, const ByteSource& source,
                           Whiteouts whiteouts = Whiteouts::kAreFiles);

}  // namespace tl::storage
