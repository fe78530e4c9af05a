// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tl::virtio::block {

// The device remembers nothing: requests are finished one by one, and what is not yet begun is in the queues.
struct State {};

}  // namespace tl::virtio::block
