// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "runtime/network/address.hpp"

namespace tl::network {

using Frame = std::span<const std::byte>;

// What the firewall looks at in an Ethernet frame. Views into the frame, which outlives it.
struct Packet {
  enum class Kind { kArp, kNeighbour, kIp };
  Kind kind = Kind::kIp;
  // The rest is for the other two kinds.
  Address source;
  Address destination;
  std::uint8_t protocol = 0;  // IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6
  // The protocol's header is in this frame: not in the later fragments of a packet.
  bool has_head = false;
  std::uint16_t source_port = 0;  // of TCP and UDP
  std::uint16_t destination_port = 0;
  std::uint8_t type = 0;  // of ICMP
  Frame network;          // from the IP header to the packet's end, Ethernet's padding left out
  Frame payload;          // behind UDP's header
};

// nullopt for whatever a sandbox's network does not carry: other protocols than ARP, IPv4 and IPv6 with TCP,
// UDP and ICMP; IPv4 with options and IPv6 with extension headers, both of which can name another
// destination; and what is shorter than it says.
std::optional<Packet> parse_packet(Frame frame);

}  // namespace tl::network
