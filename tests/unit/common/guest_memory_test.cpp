// SPDX-License-Identifier: Apache-2.0
#include "common/guest_memory.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <limits>
#include <string>

#include "tests/support/catch.hpp"

namespace tl {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kGiB = 1 << 30;
constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

GuestMemory memory_of(std::uint64_t bytes) {
  auto memory = GuestMemory::create(bytes);
  REQUIRE(memory);
  return *std::move(memory);
}

}  // namespace

TEST_CASE("memory up to the hole is one region, more goes on behind the hole") {
  const auto small = memory_of(kMiB);
  REQUIRE(small.regions().size() == 1);
  CHECK(small.regions()[0].start == GuestAddr{0});
  const auto large = memory_of(5 * kGiB);
  REQUIRE(large.regions().size() == 2);
  CHECK(large.regions()[0].bytes == 3 * kGiB);
  CHECK(large.regions()[1].start == GuestAddr{4 * kGiB});
  CHECK(large.regions()[1].bytes == 2 * kGiB);
  CHECK(large.size_bytes() == 5 * kGiB);
}

TEST_CASE("a child process has the memory as it was, when it is to have it, and else not at all") {
  const auto memory = memory_of(4 * kMiB);
  const GuestAddr at{2 * kMiB};
  REQUIRE(memory.store(at, 'a'));
  // What a child finds: its letter, or '-' where nothing is mapped. The parent writes before it looks.
  const auto seen_by_child = [&memory, at](char letter) {
    int go[2];
    REQUIRE(::pipe(go) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      char word = 0;
      static_cast<void>(::read(go[0], &word, 1));
      unsigned char present = 0;
      const bool mapped = ::mincore(memory.ram().data() + at.value, 4096, &present) == 0;
      ::_exit(mapped ? static_cast<unsigned char>(*memory.load<char>(at)) : '-');
    }
    REQUIRE(memory.store(at, letter));
    REQUIRE(::write(go[1], "g", 1) == 1);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    ::close(go[0]);
    ::close(go[1]);
    return static_cast<char>(WEXITSTATUS(status));
  };
  CHECK(seen_by_child('b') == '-');
  REQUIRE(memory.give_to_children(true));
  CHECK(seen_by_child('c') == 'b');
  REQUIRE(memory.give_to_children(false));
  CHECK(seen_by_child('d') == '-');
}

TEST_CASE("a range is given only when all of it is one region's") {
  const auto memory = memory_of(4 * kGiB);
  CHECK(memory.at(GuestAddr{0}, 1));
  CHECK(memory.at(GuestAddr{3 * kGiB - 8}, 8));
  CHECK_FALSE(memory.at(GuestAddr{3 * kGiB - 8}, 9));
  CHECK_FALSE(memory.at(GuestAddr{3 * kGiB}, 1));
  CHECK_FALSE(memory.at(GuestAddr{4 * kGiB - 1}, 2));
  CHECK(memory.at(GuestAddr{4 * kGiB}, kGiB));
  CHECK_FALSE(memory.at(GuestAddr{4 * kGiB}, kGiB + 1));
  CHECK_FALSE(memory.at(GuestAddr{5 * kGiB}, 1));
  CHECK_FALSE(memory.at(GuestAddr{16}, 0));
}

TEST_CASE("a range that wraps around the address space is refused") {
  const auto memory = memory_of(kMiB);
  CHECK_FALSE(memory.at(GuestAddr{kMost}, 1));
  CHECK_FALSE(memory.at(GuestAddr{kMost - 7}, 16));
  CHECK_FALSE(memory.at(GuestAddr{8}, kMost));
  CHECK_FALSE(memory.at(GuestAddr{8}, kMost - 7));
}

TEST_CASE("values are stored and loaded, and memory begins as zeroes") {
  const auto memory = memory_of(kMiB);
  CHECK(memory.load<std::uint64_t>(GuestAddr{4096}) == 0U);
  CHECK(memory.store(GuestAddr{4099}, std::uint32_t{0x12345678}));
  CHECK(memory.load<std::uint32_t>(GuestAddr{4099}) == 0x12345678U);
  CHECK(memory.load<std::uint8_t>(GuestAddr{4099}) == 0x78U);
  CHECK_FALSE(memory.store(GuestAddr{kMiB - 3}, std::uint32_t{1}));
  CHECK_FALSE(memory.load<std::uint32_t>(GuestAddr{kMiB - 3}));
}

TEST_CASE("released pages read as zeroes") {
  const auto memory = memory_of(kMiB);
  REQUIRE(memory.store(GuestAddr{8192}, std::uint64_t{1}));
  REQUIRE(memory.store(GuestAddr{12288}, std::uint64_t{2}));
  CHECK(memory.release(GuestAddr{8192}, 4096));
  CHECK(memory.load<std::uint64_t>(GuestAddr{8192}) == 0U);
  CHECK(memory.load<std::uint64_t>(GuestAddr{12288}) == 2U);
  CHECK_FALSE(memory.release(GuestAddr{8193}, 4096));
  CHECK_FALSE(memory.release(GuestAddr{8192}, 100));
  CHECK_FALSE(memory.release(GuestAddr{kMiB}, 4096));
}

}  // namespace tl
