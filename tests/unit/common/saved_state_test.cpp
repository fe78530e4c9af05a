// SPDX-License-Identifier: Apache-2.0
#include "common/saved_state.hpp"

#include <array>
#include <limits>
#include <string>

#include "tests/support/catch.hpp"

using namespace tl;

namespace {

struct Fields {
  std::uint64_t number = 0;
  std::array<char, 5> text = {};
  bool operator==(const Fields&) const = default;
};

const Fields kFields{0x1122334455667788, {'h', 'e', 'l', 'l', 'o'}};
const std::string kRest = "anything, of any length";

std::vector<std::byte> written() {
  StateWriter to;
  to.mark("first");
  to.put(kFields);
  to.put(std::uint16_t{7});
  to.mark("second");
  to.put_bytes(std::as_bytes(std::span(kRest)));
  to.put_bytes({});
  return to.take();
}

struct Read {
  Fields fields;
  std::uint16_t number = 0;
  std::string rest;
};

Result<Read> read(std::span<const std::byte> bytes) {
  StateReader from(bytes);
  Read read;
  if (auto got = from.expect("first"); !got) return got.error();
  if (auto got = from.get(read.fields); !got) return got.error();
  if (auto got = from.get(read.number); !got) return got.error();
  if (auto got = from.expect("second"); !got) return got.error();
  const auto rest = from.get_bytes();
  if (!rest) return rest.error();
  read.rest.assign(reinterpret_cast<const char*>(rest->data()), rest->size());
  const auto nothing = from.get_bytes();
  if (!nothing) return nothing.error();
  CHECK(nothing->empty());
  CHECK(from.at_end());
  return read;
}

}  // namespace

TEST_CASE("what was written of a state is read again, in the same order") {
  const auto again = read(written());
  REQUIRE(again);
  CHECK(again->fields == kFields);
  CHECK(again->number == 7);
  CHECK(again->rest == kRest);
}

TEST_CASE("a state that ends too early is refused wherever it ends") {
  const auto whole = written();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    INFO(length);
    // Its own allocation, so that a sanitizer sees a look behind its end.
    const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    const auto refused = read(cut);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kOutOfRange);
  }
}

TEST_CASE("a reader that is out of step says from which part on") {
  const auto whole = written();
  StateReader from(whole);
  CHECK(from.expect("second").error().message.find("from second on") != std::string::npos);

  StateReader inside(whole);
  REQUIRE(inside.expect("first"));
  std::uint32_t other = 0;
  CHECK(inside.get(other).error().message.find("from first on") != std::string::npos);
  CHECK(other == 0);

  const std::vector<std::byte> nothing;
  CHECK(StateReader(nothing).get_bytes().error().message.find("its beginning") != std::string::npos);
  // A mark that only begins like the one that is wanted.
  StateReader prefix(whole);
  CHECK_FALSE(prefix.expect("fir"));
  StateReader longer(whole);
  CHECK_FALSE(longer.expect("first "));
}

TEST_CASE("a length that lies gives nothing that is not there") {
  for (const std::uint32_t lie :
       {std::uint32_t{6}, std::uint32_t{0x7fffffff}, std::numeric_limits<std::uint32_t>::max()}) {
    StateWriter to;
    to.put_bytes(std::as_bytes(std::span("12345", 5)));
    auto bytes = to.take();
    std::memcpy(bytes.data(), &lie, sizeof lie);
    CHECK_FALSE(StateReader(bytes).get_bytes());
  }
  // A shorter one leaves a field of the wrong size, and the rest out of step.
  auto bytes = written();
  const std::uint32_t shorter = 4;
  std::memcpy(bytes.data(), &shorter, sizeof shorter);
  CHECK_FALSE(read(bytes));
}

TEST_CASE("no byte that is changed makes a reader look elsewhere") {
  const auto whole = written();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const auto flip : {std::byte{1}, std::byte{0x80}, std::byte{0xff}}) {
      auto bytes = whole;
      bytes[at] ^= flip;
      StateReader from(bytes);
      std::size_t seen = 0;
      while (!from.at_end()) {
        const auto field = from.get_bytes();
        if (!field) break;
        seen += field->size() + sizeof(std::uint32_t);
      }
      CHECK(seen <= bytes.size());
    }
  }
}
