// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/first_pages.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/unique_fd.hpp"
#include "runtime/snapshot/ram_pages.hpp"
#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::snapshot;

namespace {

PageSet pages_of(std::uint64_t size, std::initializer_list<PageRun> runs) {
  PageSet set(size);
  for (const PageRun& run : runs) set.add(run);
  return set;
}

}  // namespace

TEST_CASE("first pages are kept as a line of text", "[snapshot]") {
  const PageSet set = pages_of(1000, {{3, 1}, {17, 4}, {999, 1}});
  CHECK(page_list_text(set, kMaxFirstWrites) == "3 17+4 999");
  CHECK(page_list_from("3 17+4 999", 1000, kMaxFirstWrites) == set);
  CHECK(page_list_text(PageSet(1000), kMaxFirstWrites).empty());
  CHECK(page_list_from("", 1000, kMaxFirstWrites).empty());
  const PageSet most = pages_of(10'000, {{5, kMaxFirstWrites}});
  CHECK(page_list_from(page_list_text(most, kMaxFirstWrites), 10'000, kMaxFirstWrites) == most);
}

TEST_CASE("first pages that make no sense are none", "[snapshot]") {
  for (const char* text : {"1000", "999+2", "3+0", "3+18446744073709551615", "18446744073709551616", "-1",
                           "3,4", "3  4", " 3", "3 ", "3+", "+4", "x", "0x3"}) {
    INFO(text);
    const PageSet found = page_list_from(text, 1000, kMaxFirstWrites);
    CHECK(found.size() == 1000);
    CHECK(found.empty());
  }
  CHECK(page_list_from("0+4097", 10'000, kMaxFirstWrites).empty());
  CHECK(page_list_from("0+4096 5000", 10'000, kMaxFirstWrites).empty());
  CHECK(page_list_text(pages_of(10'000, {{0, kMaxFirstWrites + 1}}), kMaxFirstWrites).empty());
  CHECK(page_list_from("0+4097", 10'000, kMaxFirstReads).count() == 4097);
}

TEST_CASE("pages that are copied in advance are the guest's own, and others are not", "[snapshot]") {
  constexpr std::uint64_t kPages = 64;
  const UniqueFd file(::memfd_create("image", MFD_CLOEXEC));
  REQUIRE(::ftruncate(file.get(), kPages * kPageBytes) == 0);
  void* const mapped =
      ::mmap(nullptr, kPages * kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.get(), 0);
  REQUIRE(mapped != MAP_FAILED);
  const std::span<std::byte> ram(static_cast<std::byte*>(mapped), kPages * kPageBytes);
  const PageSet wanted = pages_of(kPages, {{2, 3}, {40, 1}});
  copy_in_advance(ram, wanted);
  const auto found = dirty_pages(ram);
  REQUIRE(found);
  CHECK(found->written == wanted);
  ::munmap(mapped, kPages * kPageBytes);
}
