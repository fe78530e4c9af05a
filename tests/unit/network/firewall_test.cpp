// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/firewall.hpp"

#include <netinet/in.h>

#include "runtime/network/wire.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/network/frames.hpp"

using namespace tl::network;
using namespace tl::network::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kResolver = "10.0.2.3";

struct Wall {
  explicit Wall(const Rules& rules) { REQUIRE(firewall.set_rules(rules)); }

  bool passes(const Bytes& frame) { return firewall.from_guest(frame, now).what == What::kPass; }
  bool reaches(const std::string& address) {
    const bool v6 = address.find(':') != std::string::npos;
    const Flow flow{v6 ? "fd74:6c00::15" : "10.0.2.15", address};
    const bool there = passes(tcp_syn(flow));
    const Flow back{flow.destination, flow.source, 80, 40000};
    CHECK((firewall.to_guest(tcp_syn(back), now).what == What::kPass) == there);
    return there;
  }
  bool asks(std::string_view name) {
    return passes(udp({.destination = kResolver, .destination_port = 53}, dns_query(name)));
  }
  Firewall::Verdict hears(const Bytes& answer) {
    return firewall.to_guest(udp({kResolver, "10.0.2.15", 53, 40000}, answer), now);
  }
  // The resolver's answer that a name has one address.
  Firewall::Verdict hears(std::string_view name, std::string_view address) {
    return hears(dns_answer(name, {dns_record(name, 1, 60, address_bytes(address))}));
  }

  using What = Firewall::Verdict::What;
  Firewall firewall;
  Now now = Now(1h);
};

using What = Firewall::Verdict::What;

}  // namespace

TEST_CASE("without rules a guest reaches the world and its resolver") {
  Wall wall({});
  CHECK(wall.reaches("192.0.2.1"));
  CHECK(wall.reaches("10.1.2.3"));
  CHECK(wall.reaches("2001:db8::1"));
  CHECK(wall.asks("example.com"));
  CHECK(wall.passes(tcp_syn({.destination = kResolver, .destination_port = 53})));
  CHECK(wall.passes(icmp({}, 8)));
  CHECK(wall.passes(arp_request("10.0.2.2")));
}

TEST_CASE("whatever the rules say, loopback and what is near are closed") {
  Wall wall({.allow = {"0.0.0.0/0", "::/0"}});
  for (const char* address :
       {"127.0.0.1", "127.8.8.8", "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "10.0.2.2",
        "10.0.2.255", "10.0.2.3", "::1", "::", "fe80::2", "ff02::1", "fd74:6c00::2", "fd74:6c00::3"}) {
    INFO(address);
    const bool v6 = std::string_view(address).find(':') != std::string_view::npos;
    CHECK_FALSE(wall.passes(tcp_syn({v6 ? "fd74:6c00::15" : "10.0.2.15", address})));
  }
  CHECK_FALSE(wall.passes(udp({.destination = kResolver, .destination_port = 67}, Bytes(8))));
  CHECK_FALSE(wall.passes(udp({"fd74:6c00::15", "::ffff:127.0.0.1"}, Bytes(8))));
}

TEST_CASE("a guest speaks for itself only") {
  Wall wall({});
  CHECK_FALSE(wall.passes(tcp_syn({.source = "10.0.2.16"})));
  CHECK_FALSE(wall.passes(tcp_syn({.source = "192.0.2.1"})));
  CHECK_FALSE(wall.passes(tcp_syn({.source = "fd74:6c00::16", .destination = "2001:db8::1"})));
}

TEST_CASE("no Internet is nobody at all, and programs are told") {
  Wall wall({.no_internet = true});
  CHECK_FALSE(wall.reaches("192.0.2.1"));
  CHECK_FALSE(wall.asks("example.com"));
  CHECK(wall.hears("example.com", "192.0.2.1").what == What::kDrop);
  const auto verdict = wall.firewall.from_guest(tcp_syn({}), wall.now);
  REQUIRE(verdict.what == What::kInstead);
  const auto told = parse_packet(verdict.instead);
  REQUIRE(told);
  CHECK(told->protocol == IPPROTO_ICMP);
  CHECK(told->type == 3);
  CHECK(told->destination == *Address::parse("10.0.2.15"));
  const auto verdict6 = wall.firewall.from_guest(tcp_syn({"fd74:6c00::15", "2001:db8::1"}), wall.now);
  REQUIRE(verdict6.what == What::kInstead);
  CHECK(parse_packet(verdict6.instead)->type == 1);
  // Errors are not answered with errors, and neither is the later part of something.
  CHECK(wall.firewall.from_guest(icmp({}, 3), wall.now).what == What::kDrop);
  Bytes fragment = udp({}, Bytes(32));
  fragment[kEthernetHead + 7] = std::byte{2};
  CHECK(wall.firewall.from_guest(fragment, wall.now).what == What::kDrop);
}

TEST_CASE("of what is allowed by address, what is denied is taken away") {
  Wall wall({false, {"192.0.2.0/24", "2001:db8::/32"}, {"192.0.2.7", "2001:db8::7"}});
  CHECK(wall.reaches("192.0.2.1"));
  CHECK_FALSE(wall.reaches("192.0.2.7"));
  CHECK_FALSE(wall.reaches("198.51.100.1"));
  CHECK(wall.reaches("2001:db8::1"));
  CHECK_FALSE(wall.reaches("2001:db8::7"));
  CHECK_FALSE(wall.reaches("2001:db9::1"));
  CHECK(wall.asks("example.com"));
  // A later fragment is judged by its address too.
  Bytes fragment = udp({.destination = "198.51.100.1"}, Bytes(32));
  fragment[kEthernetHead + 7] = std::byte{2};
  CHECK_FALSE(wall.passes(fragment));
}

TEST_CASE("rules hold from the next frame on") {
  Wall wall({});
  CHECK(wall.reaches("192.0.2.1"));
  REQUIRE(wall.firewall.set_rules({.deny = {"192.0.2.1"}}));
  CHECK_FALSE(wall.reaches("192.0.2.1"));
  CHECK_FALSE(wall.firewall.set_rules({.allow = {"1.2.3.4.5"}}));
  CHECK(wall.reaches("198.51.100.1"));
  CHECK_FALSE(wall.reaches("192.0.2.1"));
}

TEST_CASE("nothing passes before there are rules") {
  Firewall firewall;
  CHECK(firewall.from_guest(tcp_syn({}), Now(1h)).what == What::kInstead);
}

TEST_CASE("an allowed name has the addresses that were answered for it, while it has them") {
  Wall wall({.allow = {"Good.Example"}});
  CHECK_FALSE(wall.reaches("192.0.2.1"));
  CHECK(wall.asks("good.example"));
  CHECK(wall.hears("good.example", "192.0.2.1").what == What::kPass);
  CHECK(wall.reaches("192.0.2.1"));
  // In use it stays; unused it goes.
  wall.now += 4min;
  CHECK(wall.reaches("192.0.2.1"));
  wall.now += 4min;
  CHECK(wall.reaches("192.0.2.1"));
  wall.now += 6min;
  CHECK_FALSE(wall.reaches("192.0.2.1"));
  CHECK(wall.hears("good.example", "192.0.2.2").what == What::kPass);
  CHECK(wall.reaches("192.0.2.2"));
  // No longer followed.
  REQUIRE(wall.firewall.set_rules({.allow = {"other.example"}}));
  CHECK_FALSE(wall.reaches("192.0.2.2"));
}

TEST_CASE("nobody else can answer for an allowed name") {
  Wall wall({.allow = {"good.example"}});
  CHECK(
      wall.hears(dns_answer("evil.example", {dns_record("evil.example", 5, 60, dns_name("good.example")),
                                             dns_record("good.example", 1, 60, address_bytes("192.0.2.66"))}))
          .what == What::kPass);
  CHECK_FALSE(wall.reaches("192.0.2.66"));
  // Not from another's port or address either.
  const Bytes answer =
      dns_answer("good.example", {dns_record("good.example", 1, 60, address_bytes("192.0.2.67"))});
  wall.firewall.to_guest(udp({"192.0.2.53", "10.0.2.15", 53, 40000}, answer), wall.now);
  CHECK_FALSE(wall.reaches("192.0.2.67"));
}

TEST_CASE("a denied name is not answered, as an alias neither, and what it has is out of reach") {
  Wall wall({.deny = {"bad.example"}});
  CHECK(wall.reaches("192.0.2.1"));
  const auto verdict = wall.hears("BAD.example", "192.0.2.1");
  REQUIRE(verdict.what == What::kInstead);
  const auto packet = parse_packet(verdict.instead);
  REQUIRE(packet);
  CHECK(packet->source_port == 53);
  CHECK(packet->destination_port == 40000);
  CHECK(dns::answer_of(packet->payload)->addresses.empty());
  CHECK_FALSE(wall.reaches("192.0.2.1"));
  CHECK(wall.hears(dns_answer("innocent.example",
                              {dns_record("innocent.example", 5, 60, dns_name("bad.example")),
                               dns_record("bad.example", 1, 60, address_bytes("192.0.2.2"))}))
            .what == What::kInstead);
  CHECK_FALSE(wall.reaches("192.0.2.2"));
  CHECK(wall.hears("innocent.example", "192.0.2.3").what == What::kPass);
  // No other way to learn its address.
  CHECK_FALSE(
      wall.passes(udp({.destination = "192.0.2.53", .destination_port = 53}, dns_query("bad.example"))));
  CHECK_FALSE(wall.passes(tcp_syn({.destination = "192.0.2.53", .destination_port = 853})));
  CHECK_FALSE(wall.passes(tcp_syn({.destination = kResolver, .destination_port = 53})));
}

TEST_CASE("followed addresses are bounded") {
  FollowedNames names;
  names.follow({"a.example"});
  Now now(1h);
  for (int i = 0; i < 6000; ++i) {
    dns::Answer answer;
    answer.addresses = {{Address::from(bytes({198, 51, i >> 8, i & 0xff})), 60s}};
    now += 1ms;
    names.learn("a.example", answer, now);
  }
  CHECK(names.size() == FollowedNames::kMost);
  CHECK(names.contains(Address::from(bytes({198, 51, 5999 >> 8, 5999 & 0xff})), now));
  CHECK_FALSE(names.contains(Address::from(bytes({198, 51, 0, 0})), now));
}
