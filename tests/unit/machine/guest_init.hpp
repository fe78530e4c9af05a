// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/file_part.hpp"

namespace tl::machine::test {

// An initramfs (cpio newc in a memfd) with one program, /init, which says "TL-TEST-INIT" on the console and
// then does what `command` tells: 'p' powers off, 'r' reboots, 's' sleeps, 'e' echoes the first virtio-serial
// port.
FilePart initramfs_with_init(char command);

}  // namespace tl::machine::test
