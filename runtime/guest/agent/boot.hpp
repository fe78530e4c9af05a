// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.hpp"
#include "common/unique_fd.hpp"

// What PID 1 does to turn a booted kernel into a system that commands can run in, in the order of the
// functions. Each is called once, by the main thread.
namespace tl::guest {

// /dev, /proc and /sys in the initramfs; standard descriptors; umask and limits of the agent itself.
Result<void> prepare_initramfs();

// The virtio-serial port named "tl.agent", opened for non-blocking reading and writing. kNotFound while the
// driver has not announced it yet.
Result<UniqueFd> open_agent_port();

// Makes the file system of /dev/vda the root, with /dev, /proc and /sys moved there. The initramfs is
// emptied.
Result<void> enter_root_disk();

// The remaining mounts, the loopback interface, kernel settings. What an image or a kernel lacks is left out.
void furnish();

}  // namespace tl::guest
