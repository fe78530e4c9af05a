// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "common/result.hpp"
#include "runtime/storage/archive_writer.hpp"
#include "runtime/storage/ext4_walk.hpp"
#include "runtime/storage/long_work.hpp"

namespace tl::storage {

// Whether something stays out of the archive.
using LeaveOut = std::function<bool(const Ext4Met&)>;

// Writes all that is in a file system as a tar (pax), in the form that add_tar() reads back: owners by
// number, modes, times, links, devices, holes (GNU sparse 1.0), POSIX ACLs and extended attributes. Sockets,
// which a tar cannot hold, are left out. The same file system makes the same bytes. kFailure where it is
// damaged, or says that files have more data than it is large.
Result<void> write_tar(Ext4Reader& reader, const LeaveOut& leave_out, const ByteSink& sink,
                       const LongWork& work);

}  // namespace tl::storage
