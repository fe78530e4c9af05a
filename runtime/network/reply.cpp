// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/reply.hpp"

#include <netinet/in.h>

#include <algorithm>

#include "runtime/network/plan.hpp"
#include "runtime/network/wire.hpp"

namespace tl::network {
namespace {

using Bytes = std::span<std::byte>;

constexpr std::size_t kIcmpHead = 8;
constexpr std::size_t kQuoted = 8;  // of what is behind the IP header
constexpr std::size_t kChecksumAt4 = 10;
constexpr unsigned kHops = 64;
constexpr std::uint8_t kEcho = 8;
constexpr std::uint8_t kEcho6 = 128;

void copy(Frame from, Bytes to, std::size_t at) {
  std::copy(from.begin(), from.end(), to.begin() + static_cast<std::ptrdiff_t>(at));
}

// RFC 1071, over `bytes` and what was summed before.
std::uint32_t sum(Frame bytes, std::uint32_t before = 0) {
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) before += load16(bytes, i);
  if (bytes.size() % 2 != 0) before += std::uint32_t{load8(bytes, bytes.size() - 1)} << 8;
  return before;
}
std::size_t checksum(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

// Back to where the frame came from.
void put_ethernet_reply(Frame frame, Bytes reply) {
  copy(frame.subspan(6, 6), reply, 0);
  copy(frame.subspan(0, 6), reply, 6);
  copy(frame.subspan(12, 2), reply, 12);
}

void put_ipv4(Bytes ip, std::uint8_t protocol, Frame source, Frame destination) {
  store8(ip, 0, 0x45);
  store16(ip, 2, ip.size());
  store8(ip, 8, kHops);
  store8(ip, 9, protocol);
  copy(source, ip, 12);
  copy(destination, ip, 16);
  store16(ip, kChecksumAt4, checksum(sum(ip.first(kIpv4Head))));
}

void put_unreachable(Bytes icmp, unsigned type, unsigned code, Frame quoted) {
  store8(icmp, 0, type);
  store8(icmp, 1, code);
  copy(quoted, icmp, kIcmpHead);
}

std::vector<std::byte> prohibition4(Frame frame, const Packet& packet) {
  constexpr unsigned kUnreachable = 3;
  constexpr unsigned kProhibited = 13;
  const Frame quoted = packet.network.first(std::min(packet.network.size(), kIpv4Head + kQuoted));
  std::vector<std::byte> reply(kEthernetHead + kIpv4Head + kIcmpHead + quoted.size());
  put_ethernet_reply(frame, reply);
  const Bytes ip = Bytes(reply).subspan(kEthernetHead);
  const Address gateway = *Address::parse(kGateway4);
  put_ipv4(ip, IPPROTO_ICMP, gateway.wire(), packet.source.wire());
  const Bytes icmp = ip.subspan(kIpv4Head);
  put_unreachable(icmp, kUnreachable, kProhibited, quoted);
  store16(icmp, 2, checksum(sum(icmp)));
  return reply;
}

std::vector<std::byte> prohibition6(Frame frame, const Packet& packet) {
  constexpr unsigned kUnreachable = 1;
  constexpr unsigned kProhibited = 1;
  const Frame quoted = packet.network.first(std::min(packet.network.size(), kIpv6Head + kQuoted));
  const std::size_t length = kIcmpHead + quoted.size();
  std::vector<std::byte> reply(kEthernetHead + kIpv6Head + length);
  put_ethernet_reply(frame, reply);
  const Bytes ip = Bytes(reply).subspan(kEthernetHead);
  store8(ip, 0, 0x60);
  store16(ip, 4, length);
  store8(ip, 6, IPPROTO_ICMPV6);
  store8(ip, 7, kHops);
  copy(Address::parse(kGateway6)->wire(), ip, 8);
  copy(packet.source.wire(), ip, 24);
  const Bytes icmp = ip.subspan(kIpv6Head);
  put_unreachable(icmp, kUnreachable, kProhibited, quoted);
  const std::uint32_t addresses = sum(ip.subspan(8, 32));
  store16(icmp, 2, checksum(sum(icmp, addresses + static_cast<std::uint32_t>(length) + IPPROTO_ICMPV6)));
  return reply;
}

bool is_to_one(Frame frame) {
  return (load8(frame, 0) & 1) == 0;  // of the Ethernet address
}

}  // namespace

std::optional<std::vector<std::byte>> prohibition_of(Frame frame, const Packet& packet) {
  if (packet.kind != Packet::Kind::kIp || !packet.has_head || !is_to_one(frame)) return std::nullopt;
  if (packet.protocol == IPPROTO_ICMP && packet.type != kEcho) return std::nullopt;
  if (packet.protocol == IPPROTO_ICMPV6 && packet.type != kEcho6) return std::nullopt;
  return packet.source.is_ipv4() ? prohibition4(frame, packet) : prohibition6(frame, packet);
}

std::vector<std::byte> with_payload(Frame frame, const Packet& packet, Frame payload) {
  std::vector<std::byte> reply(kEthernetHead + kIpv4Head + kUdpHead + payload.size());
  copy(frame.first(kEthernetHead), reply, 0);
  const Bytes ip = Bytes(reply).subspan(kEthernetHead);
  put_ipv4(ip, IPPROTO_UDP, packet.source.wire(), packet.destination.wire());
  const Bytes udp = ip.subspan(kIpv4Head);
  store16(udp, 0, packet.source_port);
  store16(udp, 2, packet.destination_port);
  store16(udp, 4, udp.size());
  store16(udp, 6, 0);  // none: IPv4 needs no checksum of UDP
  copy(payload, udp, kUdpHead);
  return reply;
}

}  // namespace tl::network
