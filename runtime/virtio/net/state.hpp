// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tl::virtio::net {

// The device remembers nothing that must not be lost: a frame is either in a queue or in the socket, but for
// one that waits for buffers, and frames may be lost.
struct State {};

}  // namespace tl::virtio::net
