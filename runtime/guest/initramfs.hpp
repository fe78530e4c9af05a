// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::guest {

// The agent that is embedded in this program: a static x86-64 executable.
std::span<const std::byte> agent_image();

// The file system that the guest's kernel starts from (cpio newc, uncompressed): the agent as /init and what
// the kernel itself needs before it runs. The same bytes whenever the agent is the same. A memfd, at offset
// 0.
Result<UniqueFd> make_initramfs();

}  // namespace tl::guest
