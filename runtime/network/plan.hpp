// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/network/address.hpp"

// The network as a guest sees it: itself, a gateway that is everybody else, and a resolver, which is the
// host's. The same in every sandbox, for no two of them share a wire.
namespace tl::network {

inline constexpr const char* kGuest4 = "10.0.2.15";
inline constexpr const char* kGateway4 = "10.0.2.2";
inline constexpr const char* kResolver4 = "10.0.2.3";
inline constexpr const char* kNetwork4 = "10.0.2.0/24";
inline constexpr unsigned kBits4 = 24;

inline constexpr const char* kGuest6 = "fd74:6c00::15";
inline constexpr const char* kGateway6 = "fd74:6c00::2";
inline constexpr const char* kNetwork6 = "fd74:6c00::/64";
inline constexpr unsigned kBits6 = 64;

// Of an IP packet on the wire, in bytes; the card tells the guest's driver. There is no real wire to have a
// limit, and each frame costs the same, whatever is in it. 32 KiB is the largest piece of memory that a
// guest's kernel has at hand at any time, and a packet with its head and tail has to fit into one.
inline constexpr std::uint16_t kMtu = 32'000;
inline constexpr std::size_t kMostFrameBytes = kMtu + 18;  // Ethernet's head, with a VLAN tag

using MacAddress = std::array<std::uint8_t, 6>;

// A locally administered unicast address that is this sandbox's for as long as it is there.
MacAddress mac_of(std::string_view sandbox_id);

}  // namespace tl::network
