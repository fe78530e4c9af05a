// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/ram_pages.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/snapshot/snapshot_support.hpp"

namespace tl::snapshot::test {
namespace {

constexpr std::uint64_t kPages = 64;

TEST_CASE("of anonymous memory what was written is dirty, and what was not is zero", "[snapshot]") {
  const Ram ram(kPages);
  ram.fill({3, 2}, 7);
  ram.fill(40, 7);
  auto found = must(dirty_pages(ram.bytes()));
  CHECK(found.written.runs() == std::vector<PageRun>{{3, 2}, {40, 1}});
  CHECK(found.zero.count() == kPages - 3);
  CHECK((found.zero & found.written).empty());

  REQUIRE(::madvise(ram.page(3), kPageBytes, MADV_DONTNEED) == 0);
  found = must(dirty_pages(ram.bytes()));
  CHECK(found.written.runs() == std::vector<PageRun>{{4, 1}, {40, 1}});
  CHECK(found.zero.contains(3));
}

TEST_CASE("looking for dirty pages touches none", "[snapshot]") {
  const Ram ram(kPages);
  must(dirty_pages(ram.bytes()));
  std::vector<unsigned char> resident(kPages);
  REQUIRE(::mincore(ram.page(0), ram.bytes().size(), resident.data()) == 0);
  for (const unsigned char page : resident) CHECK((page & 1U) == 0);
}

TEST_CASE("present is what was touched, and of a file what is beside it", "[snapshot]") {
  const TempFolder temp;
  const Ram before(kPages);
  before.fill({0, 32}, 5);
  auto image = create_image(temp.path(), kPages);
  must(image.save(before.bytes(), all_written(kPages), Durability::kLazy));
  const Ram ram(kPages);
  must(image.map_private(ram.page(0)));
  CHECK(must(present_pages(ram.bytes())).empty());
  REQUIRE(ram.value(3) == 5);
  ram.fill(20, 6);
  ram.fill(40, 6);
  const PageSet present = must(present_pages(ram.bytes()));
  for (const std::uint64_t page : {3, 20, 40}) CHECK(present.contains(page));
  CHECK_FALSE(present.contains(60));
}

TEST_CASE("of a mapped image only what was written is dirty, reading makes nothing so", "[snapshot]") {
  const TempFolder temp;
  const Ram before(kPages);
  before.fill({0, kPages}, 5);
  auto image = create_image(temp.path(), kPages);
  must(image.save(before.bytes(), all_written(kPages), Durability::kLazy));

  const Ram ram(kPages);
  must(image.map_private(ram.page(0)));
  CHECK(must(dirty_pages(ram.bytes())).written.empty());
  for (std::uint64_t page = 0; page < kPages; ++page) REQUIRE(ram.value(page) == 5);
  CHECK(must(dirty_pages(ram.bytes())).written.empty());
  CHECK(must(dirty_pages(ram.bytes())).zero.empty());

  ram.fill({10, 3}, 6);
  ram.fill(20, 5);  // the same contents, but a page of its own
  CHECK(must(dirty_pages(ram.bytes())).written.runs() == std::vector<PageRun>{{10, 3}, {20, 1}});

  SECTION("a page that is given back is the file's again") {
    REQUIRE(::madvise(ram.page(11), kPageBytes, MADV_DONTNEED) == 0);
    CHECK(must(dirty_pages(ram.bytes())).written.runs() == std::vector<PageRun>{{10, 1}, {12, 1}, {20, 1}});
    CHECK(must(dirty_pages(ram.bytes())).zero.empty());
    CHECK(ram.value(11) == 5);
  }
  SECTION("a page that is replaced by fresh memory is zero") {
    REQUIRE(::mmap(ram.page(11), kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                   -1, 0) != MAP_FAILED);
    const auto found = must(dirty_pages(ram.bytes()));
    CHECK(found.written.runs() == std::vector<PageRun>{{10, 1}, {12, 1}, {20, 1}});
    CHECK(found.zero.runs() == std::vector<PageRun>{{11, 1}});
    must(image.save(ram.bytes(), found, Durability::kLazy));
    check_image_is(open_image(temp.path(), kPages), ram);
  }
}

TEST_CASE("of a memfd what is allocated may have been written, the rest is zero", "[snapshot]") {
  const UniqueFd memfd(::memfd_create("ram", MFD_CLOEXEC));
  REQUIRE(::ftruncate(memfd.get(), kPages * kPageBytes) == 0);
  auto found = must(allocated_pages(memfd.get(), kPages * kPageBytes));
  CHECK(found.written.empty());
  CHECK(found.zero.count() == kPages);

  const std::string page(kPageBytes, 'x');
  for (const int number : {0, 7, 8, static_cast<int>(kPages) - 1})
    REQUIRE(::pwrite(memfd.get(), page.data(), page.size(), number * static_cast<off_t>(kPageBytes)) > 0);
  found = must(allocated_pages(memfd.get(), kPages * kPageBytes));
  CHECK(found.written.runs() == std::vector<PageRun>{{0, 1}, {7, 2}, {kPages - 1, 1}});
  CHECK(found.zero.count() == kPages - 4);
}

}  // namespace
}  // namespace tl::snapshot::test
