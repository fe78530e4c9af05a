// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/packet.hpp"

#include <netinet/in.h>

#include "runtime/network/wire.hpp"

namespace tl::network {
namespace {

constexpr std::size_t kArpBytes = 28;
constexpr std::size_t kTcpHead = 20;
constexpr std::size_t kIcmpHead = 8;
constexpr std::uint8_t kNeighbourSolicitation = 135;
constexpr std::uint8_t kNeighbourAdvertisement = 136;
constexpr std::uint8_t kNeighbourHops = 255;

// False when the header is not whole, or of a protocol that is not carried.
bool parse_head(Packet& packet, Frame head) {
  switch (packet.protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
      if (head.size() < (packet.protocol == IPPROTO_TCP ? kTcpHead : kUdpHead)) return false;
      packet.source_port = load16(head, 0);
      packet.destination_port = load16(head, 2);
      if (packet.protocol == IPPROTO_UDP) packet.payload = head.subspan(kUdpHead);
      break;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      if (head.size() < kIcmpHead) return false;
      packet.type = load8(head, 0);
      break;
    default:
      return false;
  }
  packet.has_head = true;
  return true;
}

bool is_carried(std::uint8_t protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP;
}

std::optional<Packet> parse_ipv4(Frame network) {
  if (network.size() < kIpv4Head || load8(network, 0) != 0x45) return std::nullopt;
  const std::size_t length = load16(network, 2);
  if (length < kIpv4Head || length > network.size()) return std::nullopt;
  Packet packet;
  packet.network = network.first(length);
  packet.protocol = load8(network, 9);
  packet.source = Address::from(network.subspan(12, 4));
  packet.destination = Address::from(network.subspan(16, 4));
  if (!is_carried(packet.protocol)) return std::nullopt;
  constexpr unsigned kOffsetMask = 0x1fff;
  if ((load16(network, 6) & kOffsetMask) != 0) return packet;
  if (!parse_head(packet, packet.network.subspan(kIpv4Head))) return std::nullopt;
  return packet;
}

std::optional<Packet> parse_ipv6(Frame network) {
  if (network.size() < kIpv6Head || load8(network, 0) >> 4 != 6) return std::nullopt;
  const std::size_t length = kIpv6Head + load16(network, 4);
  if (length > network.size()) return std::nullopt;
  Packet packet;
  packet.network = network.first(length);
  packet.protocol = load8(network, 6);
  packet.source = Address::from(network.subspan(8, 16));
  packet.destination = Address::from(network.subspan(24, 16));
  // An IPv4 address in an IPv6 packet is nobody's.
  if (packet.source.is_ipv4() || packet.destination.is_ipv4() || packet.protocol == IPPROTO_ICMP)
    return std::nullopt;
  if (!parse_head(packet, packet.network.subspan(kIpv6Head))) return std::nullopt;
  const bool neighbour = packet.protocol == IPPROTO_ICMPV6 && load8(network, 7) == kNeighbourHops &&
                         (packet.type == kNeighbourSolicitation || packet.type == kNeighbourAdvertisement);
  if (neighbour) packet.kind = Packet::Kind::kNeighbour;
  return packet;
}

}  // namespace

std::optional<Packet> parse_packet(Frame frame) {
  if (frame.size() < kEthernetHead) return std::nullopt;
  const Frame network = frame.subspan(kEthernetHead);
  switch (load16(frame, 12)) {
    case kEtherArp: {
      if (network.size() < kArpBytes) return std::nullopt;
      Packet packet;
      packet.kind = Packet::Kind::kArp;
      return packet;
    }
    case kEtherIpv4:
      return parse_ipv4(network);
    case kEtherIpv6:
      return parse_ipv6(network);
    default:
      return std::nullopt;
  }
}

}  // namespace tl::network
