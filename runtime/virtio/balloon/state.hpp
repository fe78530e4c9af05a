// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tl::virtio::balloon {

// The device remembers nothing: which pages the guest has given away is seen in its memory, which reads as
// zeroes there.
struct State {};

}  // namespace tl::virtio::balloon
