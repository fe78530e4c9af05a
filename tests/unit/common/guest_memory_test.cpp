// SPDX-License-Identifier: Apache-2.0
#include "common/guest_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <limits>
#include <string>

#include "common/io.hpp"
#include "common/unique_fd.hpp"
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

TEST_CASE("a file in memory is the file's own pages until somebody writes, and its edges are exact") {
  constexpr std::uint64_t kBytes = 512 * 1024 + 100;
  const UniqueFd file(::memfd_create("test", MFD_CLOEXEC));
  std::string contents(kBytes + 5000, '\0');
  for (std::size_t i = 0; i < contents.size(); ++i) contents[i] = static_cast<char>('a' + i % 23);
  REQUIRE(write_all(file.get(), contents));
  auto memory = memory_of(4 * kMiB);
  const auto text = [&memory](GuestAddr at, std::uint64_t bytes) {
    std::string copy(bytes, '\0');
    REQUIRE(memory.read(at, std::as_writable_bytes(std::span(copy))));
    return copy;
  };

  // In the same place of their pages: mapped, and what follows the last byte stays zero.
  const GuestAddr start{kMiB + 700};
  REQUIRE(memory.load_file(start, {file.get(), contents.size()}, 4096 + 700, kBytes - 4796));
  CHECK(text(start, kBytes - 4796) == contents.substr(4796, kBytes - 4796));
  CHECK(text({kMiB}, 700) == std::string(700, '\0'));
  CHECK(text(start + (kBytes - 4796), 5000) == std::string(5000, '\0'));
  REQUIRE(memory.file_pages().size() == 1);
  CHECK(memory.file_pages()[0].data() == memory.ram().data() + kMiB + 4096);
  // Elsewhere in their pages: copied.
  REQUIRE(memory.load_file({3 * kMiB}, {file.get(), contents.size()}, 10, kBytes));
  CHECK(text({3 * kMiB}, kBytes) == contents.substr(10, kBytes));
  CHECK(memory.file_pages().size() == 1);

  REQUIRE(memory.store(start + 8192, 'X'));
  CHECK(text(start + 8192, 1) == "X");
  char unchanged = 0;
  REQUIRE(::pread(file.get(), &unchanged, 1, 4796 + 8192) == 1);
  CHECK(unchanged == contents[4796 + 8192]);

  CHECK_FALSE(memory.load_file({0}, {file.get(), contents.size()}, 6000, kBytes));
  CHECK_FALSE(memory.load_file({4 * kMiB - 4096}, {file.get(), contents.size()}, 0, 8192));
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
