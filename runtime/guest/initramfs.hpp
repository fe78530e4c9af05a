// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include "common/file_part.hpp"
#include "common/result.hpp"

// The file system that the guest's kernel starts from (cpio newc, uncompressed): the agent as /init and what
// the kernel itself needs before it runs. Packed by pack_initramfs when tl is built, and embedded in it.
namespace tl::guest {

std::span<const std::byte> initramfs();

// As a part of this program's own file, at a multiple of 4096: a machine in this process maps it, and all
// sandboxes share its pages.
Result<FilePart> initramfs_in_program();
// As a file of its own, a memfd, for a machine that is another program.
Result<FilePart> initramfs_file();

}  // namespace tl::guest
