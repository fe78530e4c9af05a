// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/gateway.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include "common/io.hpp"
#include "runtime/network/packet.hpp"
#include "runtime/network/wire.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/network/frames.hpp"

using namespace tl;
using namespace tl::network;
using namespace tl::network::test;

namespace {

constexpr int kLabelBytes = 21;

// The children of this process that are network processes, by what they call themselves.
std::vector<int> network_processes() {
  std::vector<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream stat(entry.path() / "stat");
    int pid = 0;
    std::string name;
    std::string state;
    int parent = 0;
    if (stat >> pid >> name >> state >> parent && parent == ::getpid() && name == "(tl-net)" && state != "Z")
      found.push_back(pid);
  }
  return found;
}

// The guest's side of a gateway.
struct Guest {
  explicit Guest(const Rules& rules) : log(-1) {
    auto begun = Gateway::begin(std::string(kLabelBytes, 'x')).value();
    wire = std::move(begun.wire);
    gateway = Gateway::start(io.get_executor(), std::move(begun), rules, log).value();
    REQUIRE(wait([this]() -> asio::awaitable<Result<void>> {
      auto ready = co_await gateway->wait_ready();
      co_return ready;
    }));
  }

  template <typename Wait>
  Result<void> wait(Wait what) {
    std::optional<Result<void>> outcome;
    asio::co_spawn(
        io, [&]() -> asio::awaitable<void> { outcome = co_await what(); }, asio::detached);
    while (!outcome) io.run_one();
    return *outcome;
  }
  Result<void> apply(const Rules& rules) {
    return wait([&]() -> asio::awaitable<Result<void>> {
      auto applied = co_await gateway->apply(rules);
      co_return applied;
    });
  }

  void send(const Bytes& frame) { REQUIRE(::send(wire.get(), frame.data(), frame.size(), 0) >= 0); }
  // The next frame that is not ARP or the like, within a second; empty when there is none. Questions for our
  // hardware address are answered.
  Bytes receive() {
    for (int i = 0; i < 50; ++i) {
      pollfd look{wire.get(), POLLIN, 0};
      if (::poll(&look, 1, 1000) <= 0) return {};
      Bytes frame(2000);
      const ssize_t got = ::recv(wire.get(), frame.data(), frame.size(), 0);
      if (got <= 0) return {};
      frame.resize(static_cast<std::size_t>(got));
      const auto packet = parse_packet(frame);
      if (packet && packet->kind == Packet::Kind::kIp) return frame;
    }
    return {};
  }

  asio::io_context io;
  Log log;
  UniqueFd wire;
  std::unique_ptr<Gateway> gateway;
};

int protocol_of_answer(Guest& guest, const Bytes& frame) {
  guest.send(frame);
  const Bytes answer = guest.receive();
  const auto packet = parse_packet(answer);
  return packet ? packet->protocol : -1;
}

}  // namespace

TEST_CASE("the gateway answers for its address, and closes the host's loopback") {
  Guest guest({});
  guest.send(arp_request("10.0.2.2"));
  Bytes answer(200);
  REQUIRE(::recv(guest.wire.get(), answer.data(), answer.size(), 0) >= 42);
  CHECK(parse_packet(answer)->kind == Packet::Kind::kArp);
  for (const char* closed : {"127.0.0.1", "10.0.2.2", "169.254.169.254"}) {
    INFO(closed);
    CHECK(protocol_of_answer(guest, tcp_syn({.destination = closed})) == IPPROTO_ICMP);
  }
}

TEST_CASE("rules are replaced while it runs, and wrong ones are not taken") {
  Guest guest({.no_internet = true});
  const Bytes syn = tcp_syn({.destination = "198.51.100.1"});
  CHECK(protocol_of_answer(guest, syn) == IPPROTO_ICMP);
  REQUIRE(guest.apply({.allow = {"192.0.2.0/24"}}));
  CHECK(protocol_of_answer(guest, syn) == IPPROTO_ICMP);
  const auto refused = guest.apply({.allow = {"192.0.2.0.0"}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kOutOfRange);
  CHECK(protocol_of_answer(guest, syn) == IPPROTO_ICMP);
}

TEST_CASE("a flood that nobody answers takes no memory, and what comes behind it is served") {
  Guest guest({.no_internet = true});
  const auto resident = [] {
    std::ifstream statm("/proc/" + std::to_string(network_processes().at(0)) + "/statm");
    long total = 0;
    long pages = 0;
    statm >> total >> pages;
    return pages * ::getpagesize();
  };
  const long before = resident();
  const Bytes syn = tcp_syn({.destination = "198.51.100.1"});
  // Each is answered, and none of the answers is taken.
  for (int i = 0; i < 50'000; ++i) guest.send(syn);
  CHECK(resident() - before < 8 << 20);
  while (!guest.receive().empty()) {
  }
  CHECK(protocol_of_answer(guest, syn) == IPPROTO_ICMP);
}

TEST_CASE("a network process that breaks is replaced, with the rules of then") {
  Guest guest({.no_internet = true});
  REQUIRE(guest.apply({.deny = {"198.51.100.0/24"}}));
  const auto processes = network_processes();
  REQUIRE(processes.size() == 1);
  ::kill(processes[0], SIGKILL);
  for (int i = 0; i < 100 && (network_processes().empty() || network_processes() == processes); ++i)
    guest.io.run_for(std::chrono::milliseconds(100));
  REQUIRE(network_processes().size() == 1);
  REQUIRE(guest.apply({.deny = {"198.51.100.0/24", "192.0.2.1"}}));
  CHECK(protocol_of_answer(guest, tcp_syn({.destination = "198.51.100.1"})) == IPPROTO_ICMP);
  guest.gateway.reset();
  CHECK(network_processes().empty());
}
