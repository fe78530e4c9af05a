// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/saved_state.hpp"

#include <algorithm>

#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::machine;

namespace {

std::vector<std::byte> example() {
  static const std::vector<std::byte> stream{std::byte{1}, std::byte{2}, std::byte{3}};
  return serialize({"7.2.22 (Debian)", stream});
}

std::string complaint(std::vector<std::byte> bytes) {
  const auto parsed = parse_saved_state(bytes);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code == ErrorCode::kFailure);
  return parsed.error().message;
}

}  // namespace

TEST_CASE("a saved state is read as it was written") {
  const auto bytes = example();
  const auto parsed = parse_saved_state(bytes);
  REQUIRE(parsed);
  CHECK(parsed->qemu_version == "7.2.22 (Debian)");
  REQUIRE(parsed->stream.size() == 3);
  CHECK(parsed->stream[2] == std::byte{3});
}

TEST_CASE("the layout of a saved state is the one that is written down") {
  const auto bytes = example();
  REQUIRE(bytes.size() == 16 + 15 + 3);
  constexpr char kExpected[] = "TL-TCG\0\1\x0f\0\0\0\3\0\0\0";
  CHECK(std::equal(bytes.begin(), bytes.begin() + 16, std::as_bytes(std::span(kExpected)).begin()));
}

TEST_CASE("a saved state that is cut off anywhere is refused") {
  const auto whole = example();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size);
    CHECK(complaint({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}) ==
          "the saved state of the machine is cut off");
  }
}

TEST_CASE("a saved state that is something else, longer or impossible is refused") {
  auto longer = example();
  longer.push_back({});
  CHECK(complaint(longer) == "the saved state of the machine is longer than it says");
  auto other = example();
  other[7] = std::byte{2};
  CHECK(complaint(other) == "the saved state of the machine is not one of a tcg machine");
  for (const std::size_t offset : {10U, 11U, 15U}) {
    INFO(offset);
    auto huge = example();
    huge[offset] = std::byte{0xff};
    CHECK(complaint(huge) == "the saved state of the machine is damaged");
  }
  auto empty = example();
  empty[12] = std::byte{0};
  CHECK(complaint(empty) == "the saved state of the machine is damaged");
}
