// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tl::virtio::net {

// The device remembers nothing: a frame is either in a queue or in the socket, and frames may be lost.
struct State {};

}  // namespace tl::virtio::net
