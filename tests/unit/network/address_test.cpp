// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/address.hpp"

#include "runtime/network/plan.hpp"
#include "runtime/network/rules.hpp"
#include "tests/support/catch.hpp"

using namespace tl::network;

namespace {

bool covers(const char* prefix, const char* address) {
  return Prefix::parse(prefix)->contains(*Address::parse(address));
}

}  // namespace

TEST_CASE("a prefix covers what begins with its bits, of its own family only") {
  CHECK(covers("192.0.2.0/24", "192.0.2.255"));
  CHECK_FALSE(covers("192.0.2.0/24", "192.0.3.0"));
  CHECK(covers("192.0.2.77/25", "192.0.2.1"));
  CHECK_FALSE(covers("192.0.2.77/25", "192.0.2.128"));
  CHECK(covers("0.0.0.0/0", "255.255.255.255"));
  CHECK_FALSE(covers("0.0.0.0/0", "2001:db8::1"));
  CHECK(covers("192.0.2.1", "192.0.2.1"));
  CHECK_FALSE(covers("192.0.2.1", "192.0.2.0"));
  CHECK(covers("2001:db8::/33", "2001:db8:7fff::"));
  CHECK_FALSE(covers("2001:db8::/33", "2001:db8:8000::"));
  CHECK(covers("::/0", "2001:db8::1"));
}

TEST_CASE("what is no address or prefix is not taken for one") {
  for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/-1",
                          "1.2.3.4/08", "1.2.3.4/8 ", "::/129", "::1%lo", "x", "1.2.3.4 "}) {
    INFO(bad);
    CHECK_FALSE(Prefix::parse(bad));
  }
}

TEST_CASE("hardware addresses are local ones, and differ") {
  const auto one = mac_of("vjj2z28q24tfwedfwpxfj");
  CHECK(one[0] == 0x02);
  CHECK(one == mac_of("vjj2z28q24tfwedfwpxfj"));
  CHECK(one != mac_of("vjj2z28q24tfwedfwpxfk"));
}

TEST_CASE("rules survive the trip to the network process") {
  for (const Rules& rules :
       {Rules{}, Rules{.no_internet = true}, Rules{false, {"a.example", "::1"}, {"1.2.3.4/8"}}})
    CHECK(rules_from_text(to_text(rules)).value() == rules);
  CHECK_FALSE(rules_from_text("permit everything\n"));
}
