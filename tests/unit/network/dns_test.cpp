// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/dns.hpp"

#include "tests/support/catch.hpp"
#include "tests/unit/network/frames.hpp"

using namespace tl::network;
using namespace tl::network::test;
using namespace std::chrono_literals;

namespace {

constexpr int kA = 1;
constexpr int kCname = 5;
constexpr int kAaaa = 28;

// Twelve bytes of head and then just that.
Bytes raw_answer(const Bytes& rest, int records = 1) {
  return bytes({0, 0, 0x81, 0x80, 0, 1, 0, records, 0, 0, 0, 0}) + rest;
}

}  // namespace

TEST_CASE("a query's name is read in lower case") {
  CHECK(dns::question_of(dns_query("WWW.Example.COM")) == "www.example.com");
  CHECK_FALSE(dns::question_of(dns_answer("example.com", {})));
  CHECK(dns::normal_name("Example.COM.") == "example.com");
}

TEST_CASE("an answer's addresses are those of the name, by way of its aliases in any order") {
  const auto answer = dns::answer_of(dns_answer(
      "www.example.com", {dns_record("edge.example.net", kA, 60, address_bytes("192.0.2.1")),
                          dns_record("cdn.example.net", kCname, 60, dns_name("edge.example.net")),
                          dns_record("www.example.com", kCname, 60, dns_name("cdn.example.net")),
                          dns_record("edge.example.net", kAaaa, 90, address_bytes("2001:db8::1"))}));
  REQUIRE(answer);
  CHECK(answer->names == std::vector<std::string>{"www.example.com", "cdn.example.net", "edge.example.net"});
  REQUIRE(answer->addresses.size() == 2);
  CHECK(answer->addresses[0] == std::pair(*Address::parse("192.0.2.1"), 60s));
  CHECK(answer->addresses[1] == std::pair(*Address::parse("2001:db8::1"), 90s));
}

TEST_CASE("nobody answers for a name that was not asked for") {
  const auto answer = dns::answer_of(
      dns_answer("evil.example", {dns_record("good.example", kA, 60, address_bytes("192.0.2.66")),
                                  dns_record("evil.example", kA, 60, address_bytes("192.0.2.7"))}));
  REQUIRE(answer);
  REQUIRE(answer->addresses.size() == 1);
  CHECK(answer->addresses[0].first == *Address::parse("192.0.2.7"));
}

TEST_CASE("compressed names are followed backwards only") {
  // www.a.example as "www" and a pointer to the question's "a.example".
  const Bytes question = dns_name("a.example") + bytes({0, 1, 0, 1});
  const Bytes tail = bytes({0, 1, 0, 1, 0, 0, 0, 60, 0, 4}) + address_bytes("192.0.2.1");
  const auto good = dns::answer_of(raw_answer(question + bytes({0xc0, 12}) + tail));
  REQUIRE(good);
  CHECK(good->addresses.size() == 1);
  const int here = 12 + static_cast<int>(question.size());
  for (const int goal : {here, here + 1, here + 2, 0x3ff}) {
    const auto bad = dns::answer_of(raw_answer(question + bytes({0xc0 | goal >> 8, goal & 0xff}) + tail));
    REQUIRE(bad);
    CHECK(bad->addresses.empty());
  }
  // The question itself is a pointer to itself, and two that point at each other.
  CHECK_FALSE(dns::answer_of(raw_answer(bytes({0xc0, 12, 0, 1, 0, 1}))));
  CHECK_FALSE(dns::answer_of(raw_answer(bytes({0xc0, 14, 0xc0, 12, 0, 1, 0, 1}))));
}

TEST_CASE("aliases in a circle end") {
  const auto answer =
      dns::answer_of(dns_answer("a.example", {dns_record("a.example", kCname, 1, dns_name("b.example")),
                                              dns_record("b.example", kCname, 1, dns_name("a.example"))}));
  REQUIRE(answer);
  CHECK(answer->names.size() == 2);
}

TEST_CASE("an answer that breaks off has what came before") {
  const Bytes whole = dns_answer("a.example", {dns_record("a.example", kA, 60, address_bytes("192.0.2.1")),
                                               dns_record("a.example", kA, 60, address_bytes("192.0.2.2"))});
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto answer = dns::answer_of(std::span(whole).first(length));
    if (answer) CHECK(answer->addresses.size() <= 1);
  }
  CHECK(dns::answer_of(whole)->addresses.size() == 2);
}

TEST_CASE("labels and names that are too long are no names") {
  CHECK_FALSE(dns::question_of(dns_query(std::string(64, 'a'))));
  std::string name;
  for (int i = 0; i < 60; ++i) name += "abcd.";
  CHECK_FALSE(dns::question_of(dns_query(name + "e")));
  // A dot within a label is no dot between labels.
  CHECK(dns::question_of(bytes({0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 'a', '.', 'b', 0, 0, 1, 0, 1})) ==
        "a?b");
}

TEST_CASE("a refusal has the question and nothing else") {
  const auto refusal = dns::refusal_of(dns_query("a.example"));
  CHECK(refusal.size() == dns_query("a.example").size());
  const auto answer = dns::answer_of(refusal);
  REQUIRE(answer);
  CHECK(answer->names == std::vector<std::string>{"a.example"});
  CHECK((refusal[3] & std::byte{0x0f}) == std::byte{5});
}
