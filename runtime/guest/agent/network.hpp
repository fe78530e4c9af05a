// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.hpp"
#include "runtime/guest/protocol/messages.hpp"

// The guest's one network card, eth0. PID 1 only. No programs, and few system calls: each costs a guest that
// is emulated.
namespace tl::guest {

// After boot: its hardware address, addresses and routes, and it is up. What is so already is no error.
Result<void> bring_up_network(const NetworkSetup& network);

// When its carrier has been noticed: what follows from that, which the kernel else does at a moment of its
// own within a second, and in a guest that was saved meanwhile after each restore.
void settle_link();

// 6 bytes. Connections do not notice.
Result<void> set_mac(const std::string& mac);

}  // namespace tl::guest
