// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/protocol/handshake.hpp"

#include <string_view>
#include <vector>

#include "tests/support/catch.hpp"

using namespace tl::guest;

namespace {

std::vector<std::byte> text(std::string_view words) {
  const auto bytes = std::as_bytes(std::span(words.data(), words.size()));
  return {bytes.begin(), bytes.end()};
}

// Feeds the stream in pieces of at most `step` bytes and never more than is wanted. The position behind the
// handshake, or nothing.
std::size_t find(HandshakeFinder& finder, std::span<const std::byte> stream, std::size_t step) {
  std::size_t at = 0;
  while (at < stream.size()) {
    const std::size_t n = std::min({step, finder.wanted(), stream.size() - at});
    REQUIRE(n > 0);
    const bool found = finder.take(stream.subspan(at, n));
    at += n;
    if (found) return at;
  }
  return 0;
}

}  // namespace

TEST_CASE("a handshake is found behind any garbage, in pieces of any size, and nothing behind it is taken") {
  const Handshake sent = new_handshake();
  const std::vector<std::byte> garbages[] = {text(""),
                                             text("T"),
                                             text("TLA"),
                                             text("TLTLATL"),
                                             text("TTTTTTTTT"),
                                             text("some words that were left over"),
                                             std::vector<std::byte>(kFlushBytes, std::byte{0xFF})};
  for (const auto& garbage : garbages) {
    auto stream = garbage;
    stream.insert(stream.end(), sent.begin(), sent.end());
    const std::size_t end = stream.size();
    const auto rest = text("PRI * HTTP/2.0");
    stream.insert(stream.end(), rest.begin(), rest.end());
    for (std::size_t step = 1; step <= kHandshakeBytes; ++step) {
      HandshakeFinder agent(kHandshakeMagic);
      CHECK(find(agent, stream, step) == end);
      CHECK(agent.found() == sent);
      HandshakeFinder host(sent);
      CHECK(find(host, stream, step) == end);
    }
  }
}

TEST_CASE("the host passes over handshakes that are not its own") {
  const Handshake old = new_handshake();
  const Handshake mine = new_handshake();
  std::vector<std::byte> stream(old.begin(), old.end());
  for (std::size_t cut = 0; cut <= kHandshakeBytes; ++cut) {
    // The beginning of its own, broken off, and then the whole.
    auto bytes = stream;
    bytes.insert(bytes.end(), mine.begin(), mine.begin() + static_cast<std::ptrdiff_t>(cut));
    bytes.insert(bytes.end(), mine.begin(), mine.end());
    HandshakeFinder host(mine);
    const std::size_t end = cut == kHandshakeBytes ? 2 * kHandshakeBytes : bytes.size();
    CHECK(find(host, bytes, kHandshakeBytes) == end);
  }
}

TEST_CASE("a nonce that contains its own beginning is still found") {
  Handshake mine;
  mine.fill(std::byte{'T'});
  std::copy(kHandshakeMagic.begin(), kHandshakeMagic.end(), mine.begin());
  std::copy(kHandshakeMagic.begin(), kHandshakeMagic.end(), mine.begin() + 4);
  mine.back() = std::byte{0x58};  // else the end of one could be the beginning of the next
  for (std::size_t cut = 1; cut < kHandshakeBytes; ++cut) {
    std::vector<std::byte> bytes(mine.begin(), mine.begin() + static_cast<std::ptrdiff_t>(cut));
    bytes.insert(bytes.end(), mine.begin(), mine.end());
    HandshakeFinder host(mine);
    CHECK(find(host, bytes, 3) == bytes.size());
  }
}

TEST_CASE("every handshake is another one") {
  const Handshake first = new_handshake();
  CHECK(std::equal(kHandshakeMagic.begin(), kHandshakeMagic.end(), first.begin()));
  CHECK(first != new_handshake());
}

TEST_CASE("a finder finds one handshake after the other") {
  const Handshake first = new_handshake(), second = new_handshake();
  HandshakeFinder agent(kHandshakeMagic);
  CHECK(agent.take(first));
  agent.restart();
  CHECK_FALSE(agent.take(text("garbage")));
  CHECK(find(agent, second, 20) == kHandshakeBytes);
  CHECK(agent.found() == second);
}
