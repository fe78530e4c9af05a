// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/cable.hpp"

#include <sys/socket.h>

#include "tests/support/catch.hpp"
#include "tests/unit/network/frames.hpp"

using namespace tl;
using namespace tl::network;
using namespace tl::network::test;

TEST_CASE("what a guest does not take waits, up to a bound, and is then dropped and counted") {
  auto pair = *packet_socket_pair();
  Cable cable(std::move(pair.first));
  const Bytes frame(1500, std::byte{7});
  for (int i = 0; i < 5000; ++i) cable.send(frame);
  CHECK(cable.is_full());
  CHECK(cable.waiting_bytes() <= Cable::kMostWaiting);
  CHECK(cable.dropped() > 0);
  const std::uint64_t dropped = cable.dropped();
  std::size_t taken = 0;
  Bytes buffer(2000);
  while (::recv(pair.second.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) == 1500) {
    ++taken;
    cable.flush();
  }
  CHECK_FALSE(cable.is_full());
  CHECK(cable.waiting_bytes() == 0);
  CHECK(taken + dropped == 5000);
}

TEST_CASE("frames come one by one, and one that is too long is dropped") {
  auto pair = *packet_socket_pair();
  Cable cable(std::move(pair.first));
  CHECK_FALSE(cable.receive());
  const Bytes small(60, std::byte{1});
  const Bytes large(kMostFrameBytes + 1);
  for (const Bytes* frame : {&small, &large, &small})
    REQUIRE(::send(pair.second.get(), frame->data(), frame->size(), 0) >= 0);
  CHECK(cable.receive()->size() == 60);
  CHECK(cable.receive()->size() == 60);
  CHECK_FALSE(cable.receive());
  CHECK(cable.dropped() == 1);
}
