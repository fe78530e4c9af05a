// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tl::virtio::console {

// What has to be known beside the transport's state to go on with the device; plain data.
struct State {
  // Control messages that the driver has still to be told, a bit for each (1 << Message).
  std::uint32_t untold = 0;
  bool guest_open = false;       // a program in the guest has the port open
  std::uint64_t chain_sent = 0;  // bytes of the driver's next chain that the host has taken already
};

}  // namespace tl::virtio::console
