// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "runtime/network/packet.hpp"

// Frames that the firewall makes itself, for the guest.
namespace tl::network {

// "Administratively prohibited" (ICMP) to whoever sent a frame of the guest's that goes nowhere, so that
// programs fail at once and do not wait. nullopt for what is not to be answered: errors, multicast, later
// fragments.
std::optional<std::vector<std::byte>> prohibition_of(Frame frame, const Packet& packet);

// The UDP packet of IPv4 that a frame to the guest brings, with another payload.
std::vector<std::byte> with_payload(Frame frame, const Packet& packet, Frame payload);

}  // namespace tl::network
