// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tl::virtio::rng {

// The device remembers nothing.
struct State {};

}  // namespace tl::virtio::rng
