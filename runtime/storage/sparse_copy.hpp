// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.hpp"
#include "runtime/storage/disk_file.hpp"

namespace tl::storage {

// Copies `from` into `to`, which is as long and nothing but a hole: what is a hole stays one. Not synced.
// After an error `to` has any part of it.
Result<void> copy_sparse(DiskFile& from, DiskFile& to);

}  // namespace tl::storage
