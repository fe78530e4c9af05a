// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/packet.hpp"

#include <netinet/in.h>

#include "runtime/network/wire.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/network/frames.hpp"

using namespace tl::network;
using namespace tl::network::test;

namespace {

const Flow kFlow6{"fd74:6c00::15", "2001:db8::1", 1, 443};

Bytes with(Bytes frame, std::size_t at, int value) {
  frame[kEthernetHead + at] = static_cast<std::byte>(value);
  return frame;
}

}  // namespace

TEST_CASE("addresses and ports are read from the frames of both families") {
  const auto syn = parse_packet(tcp_syn({.destination = "192.0.2.9", .destination_port = 8080}));
  REQUIRE(syn);
  CHECK(syn->destination == *Address::parse("192.0.2.9"));
  CHECK(syn->destination_port == 8080);
  const Bytes message = bytes({1, 2, 3});
  const Bytes frame = udp(kFlow6, message);
  const auto datagram = parse_packet(frame);
  REQUIRE(datagram);
  CHECK(datagram->destination == *Address::parse("2001:db8::1"));
  CHECK(datagram->destination_port == 443);
  CHECK(Bytes(datagram->payload.begin(), datagram->payload.end()) == message);
}

TEST_CASE("every frame that is cut short is refused") {
  for (const Bytes& whole :
       {tcp_syn({}), udp({}, {}), icmp({}, 8), tcp_syn(kFlow6), arp_request("10.0.2.2")}) {
    CHECK(parse_packet(whole));
    for (std::size_t length = 0; length < whole.size(); ++length)
      CHECK_FALSE(parse_packet(Frame(whole).first(length)));
  }
}

TEST_CASE("what could name another destination, or is of another protocol, is refused") {
  CHECK_FALSE(parse_packet(with(tcp_syn({}), 0, 0x46)));  // options
  CHECK_FALSE(parse_packet(with(tcp_syn({}), 0, 0x44)));  // a shorter header than there is
  CHECK_FALSE(parse_packet(with(tcp_syn({}), 0, 0x55)));  // IP 5
  CHECK_FALSE(parse_packet(with(tcp_syn({}), 9, IPPROTO_GRE)));
  CHECK_FALSE(parse_packet(with(tcp_syn({}), 9, IPPROTO_ICMPV6)));
  CHECK_FALSE(parse_packet(with(tcp_syn({}), 3, 19)));  // shorter than its own header
  CHECK_FALSE(parse_packet(with(tcp_syn(kFlow6), 6, IPPROTO_ROUTING)));
  CHECK_FALSE(parse_packet(with(tcp_syn(kFlow6), 6, IPPROTO_FRAGMENT)));
  CHECK_FALSE(parse_packet(with(tcp_syn(kFlow6), 6, IPPROTO_ICMP)));
  CHECK_FALSE(parse_packet(ethernet(0x8100, bytes({0, 1, 8, 0}))));  // a VLAN
  CHECK_FALSE(parse_packet(ethernet(0x88cc, Bytes(40))));
}

TEST_CASE("a later fragment has an address and no ports") {
  const auto packet = parse_packet(with(udp({.destination = "192.0.2.9"}, Bytes(32)), 7, 3));
  REQUIRE(packet);
  CHECK_FALSE(packet->has_head);
  CHECK(packet->destination == *Address::parse("192.0.2.9"));
  CHECK(packet->destination_port == 0);
  CHECK(packet->payload.empty());
}

TEST_CASE("padding behind a packet is none of it") {
  const Bytes frame = udp({}, bytes({7})) + Bytes(20);
  CHECK(parse_packet(frame)->payload.size() == 1);
}
