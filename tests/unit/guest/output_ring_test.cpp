// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/output_ring.hpp"

#include <string>
#include <string_view>

#include "tests/support/catch.hpp"

using namespace tl::guest;

namespace {

void push(OutputRing& ring, std::string_view text) {
  ring.push(std::as_bytes(std::span(text)));
}

// All that is held from there on.
std::string rest(const OutputRing& ring, std::uint64_t position) {
  std::string text;
  position = std::max(position, ring.begin());
  while (position < ring.end()) {
    const auto piece = ring.from(position);
    REQUIRE(!piece.empty());
    text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    position += piece.size();
  }
  return text;
}

}  // namespace

TEST_CASE("a ring gives back what was written") {
  OutputRing ring(8);
  CHECK(ring.from(0).empty());
  push(ring, "abc");
  push(ring, "de");
  CHECK(rest(ring, 0) == "abcde");
  CHECK(rest(ring, 2) == "cde");
  CHECK(ring.from(5).empty());
}

TEST_CASE("a full ring forgets the oldest bytes") {
  OutputRing ring(8);
  push(ring, "abcdef");
  push(ring, "ghijk");
  CHECK(ring.begin() == 3);
  CHECK(ring.end() == 11);
  CHECK(rest(ring, 0) == "defghijk");
  CHECK(rest(ring, 9) == "jk");
  push(ring, "0123456789abcdefghi");
  CHECK(ring.end() == 30);
  CHECK(rest(ring, 0) == "bcdefghi");
}

TEST_CASE("a ring is the end of whatever was written, in pieces of any size") {
  std::string all;
  OutputRing ring(13);
  for (std::size_t size = 0; size < 40; ++size) {
    const std::string piece(size, static_cast<char>('A' + size));
    push(ring, piece);
    all += piece;
    CHECK(ring.end() == all.size());
    CHECK(rest(ring, 0) == all.substr(all.size() - std::min<std::size_t>(all.size(), 13)));
  }
}
