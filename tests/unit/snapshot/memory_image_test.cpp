// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/memory_image.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "common/io.hpp"
#include "tests/unit/snapshot/snapshot_support.hpp"

namespace tl::snapshot::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPages = 2500;  // longer than the shortest run that is given back as a hole
constexpr const char* kTmpfs = "/dev/shm";

// Changes some runs of pages, of lengths from one page to many, some to zeroes.
std::uint64_t scribble(const Ram& ram, Random& random) {
  PageSet touched(kPages);
  for (std::uint64_t i = below(random, 12); i > 0; --i) {
    const std::uint64_t longest = below(random, 8) == 0 ? kPages : 20;
    const std::uint64_t first = below(random, kPages);
    const PageRun run{first, 1 + below(random, std::min(longest, kPages - first))};
    const bool zeroes = below(random, 3) == 0;
    for (std::uint64_t page = run.first; page < run.end(); ++page) ram.fill(page, zeroes ? 0 : random());
    touched.add(run);
  }
  return touched.count();
}

TEST_CASE("a hundred generations of a memory come back as they were saved", "[snapshot]") {
  const TempFolder temp(GENERATE(fs::temp_directory_path(), fs::path(kTmpfs)));
  const Ram model(kPages);
  Random random(2);
  fs::path folder = temp.folder("0");
  // What runs: at first on fresh memory, after each restore on the image it came from.
  auto ram = std::make_unique<Ram>(kPages);
  auto image = std::make_unique<MemoryImage>(create_image(folder, kPages));
  for (int generation = 1; generation <= 100; ++generation) {
    INFO("generation " << generation);
    const auto seed = random();
    Random same(seed);
    Random again(seed);
    scribble(model, same);
    scribble(*ram, again);
    const auto dirty = must(dirty_pages(ram->bytes()));
    const auto report = must(image->save(ram->bytes(), dirty, Durability::kLazy));
    REQUIRE(report.bytes_written * 10 <= dirty.written.count() * kPageBytes * 11);
    REQUIRE(report.pages_compared <= dirty.written.count());
    REQUIRE(*ram == model);  // saving shows in no memory that runs
    switch (below(random, 5)) {
      case 0: {  // a copy goes on from what is exported, which has no delta yet
        const fs::path next = temp.folder(std::to_string(generation));
        must(image->export_to(open_folder(next).get(), Durability::kLazy));
        folder = next;
        [[fallthrough]];
      }
      case 1: {  // restored by another process
        image = std::make_unique<MemoryImage>(open_image(folder, kPages));
        ram = std::make_unique<Ram>(kPages);
        const auto mapped = must(image->map_private(ram->page(0), 2 + below(random, 30)));
        REQUIRE(mapped.mappings <= 31);
        break;
      }
      case 2: {
        image = std::make_unique<MemoryImage>(open_image(folder, kPages));
        ram = std::make_unique<Ram>(kPages);
        must(image->read_into(ram->bytes()));
        break;
      }
      default:
        break;  // runs on
    }
    REQUIRE(*ram == model);
    check_image_is(*image, model);
  }
}

TEST_CASE("only what differs is written", "[snapshot]") {
  const TempFolder temp;
  const Ram ram(kPages);
  auto image = create_image(temp.path(), kPages);
  ram.fill({100, 50}, 1);
  auto report = must(image.save(ram.bytes(), all_written(kPages), Durability::kSynced));
  CHECK(report.pages_compared == kPages);
  CHECK(report.pages_written == 50);
  CHECK(report.bytes_written == 50 * kPageBytes);

  ram.fill(120, 2);
  report = must(image.save(ram.bytes(), all_written(kPages), Durability::kSynced));
  CHECK(report.pages_written == 1);
  CHECK(report.bytes_written == kPageBytes);

  const auto map = inode_of(temp.path() / "memory.map");
  report = must(image.save(ram.bytes(), all_written(kPages), Durability::kSynced));
  CHECK(report.pages_written + report.pages_zeroed == 0);
  CHECK(inode_of(temp.path() / "memory.map") == map);  // not even the map
}

TEST_CASE("zeroes over nothing are not stored, and what became zero is so no longer", "[snapshot]") {
  const TempFolder temp;
  const Ram ram(kPages);
  auto image = create_image(temp.path(), kPages);
  ram.fill({0, 2000}, 1);
  must(image.save(ram.bytes(), all_written(kPages), Durability::kLazy));
  ram.fill({0, 1500}, 0);
  const auto report = must(image.save(ram.bytes(), all_written(kPages), Durability::kLazy));
  CHECK(report.pages_written == 0);
  CHECK(report.pages_zeroed == 1500);
  CHECK(image.contents().runs() == std::vector<PageRun>{{1500, 500}});
  check_image_is(open_image(temp.path(), kPages), ram);
}

TEST_CASE("pages that nothing is allocated for are zero without a look", "[snapshot]") {
  const TempFolder temp;
  const UniqueFd memfd(::memfd_create("ram", MFD_CLOEXEC));
  constexpr std::uint64_t kBytes = kPages * kPageBytes;
  REQUIRE(::ftruncate(memfd.get(), kBytes) == 0);
  void* const at = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd.get(), 0);
  REQUIRE(at != MAP_FAILED);
  const std::span ram(static_cast<std::byte*>(at), kBytes);
  std::memset(ram.data(), 1, 10 * kPageBytes);
  auto image = create_image(temp.path(), kPages);
  must(image.save(ram, must(allocated_pages(memfd.get(), kBytes)), Durability::kLazy));
  CHECK(image.contents().count() == 10);

  REQUIRE(::fallocate(memfd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 * kPageBytes) == 0);
  const auto report = must(image.save(ram, must(allocated_pages(memfd.get(), kBytes)), Durability::kLazy));
  CHECK(report.pages_zeroed == 4);
  CHECK(image.contents().runs() == std::vector<PageRun>{{4, 6}});
  CHECK(must(allocated_pages(memfd.get(), kBytes)).written.count() == 6);  // looking allocates nothing
  ::munmap(at, kBytes);
}

TEST_CASE("a memfd is filled with what the image has and no more", "[snapshot]") {
  const TempFolder temp;
  const Ram ram(kPages);
  auto source = create_image(temp.folder("a"), kPages);
  ram.fill({0, 1200}, 1);
  must(source.save(ram.bytes(), all_written(kPages), Durability::kLazy));
  must(source.export_to(open_folder(temp.folder("b")).get(), Durability::kLazy));
  auto image = open_image(temp.path() / "b", kPages);
  ram.fill({100, 100}, 2);
  ram.fill({300, 100}, 0);
  ram.fill({2000, 100}, 3);
  must(image.save(ram.bytes(), all_written(kPages), Durability::kLazy));

  const UniqueFd memfd(::memfd_create("ram", MFD_CLOEXEC));
  REQUIRE(::ftruncate(memfd.get(), static_cast<off_t>(image.ram_bytes())) == 0);
  CHECK(must(image.read_into(memfd.get())) == 1200 * kPageBytes);
  CHECK(must(allocated_pages(memfd.get(), image.ram_bytes())).written.count() == 1200);
  const Ram copy(kPages);
  must(pread_exact(memfd.get(), copy.bytes(), 0));
  CHECK(copy == ram);
}

TEST_CASE("a memory that was never written to is saved and comes back", "[snapshot]") {
  const TempFolder temp;
  const Ram ram(kPages);
  auto image = create_image(temp.path(), kPages);
  must(image.save(ram.bytes(), must(dirty_pages(ram.bytes())), Durability::kSynced));
  check_image_is(open_image(temp.path(), kPages), ram);
}

TEST_CASE("on tmpfs a look at what is zero takes no space", "[snapshot]") {
  const TempFolder temp(kTmpfs);
  const Ram ram(kPages);
  auto source = create_image(temp.folder("a"), kPages);
  ram.fill({100, 100}, 1);
  must(source.save(ram.bytes(), all_written(kPages), Durability::kLazy));
  const bool has_base = GENERATE(false, true);
  if (has_base) {
    must(source.export_to(open_folder(temp.folder("b")).get(), Durability::kLazy));
    ram.fill({120, 20}, 0);
    ram.fill({1500, 10}, 2);
  }
  const fs::path folder = temp.path() / (has_base ? "b" : "a");
  auto image = open_image(folder, kPages);
  must(image.save(ram.bytes(), all_written(kPages), Durability::kLazy));
  const auto space = [&] {
    std::uint64_t blocks = 0;
    for (const auto& file : fs::directory_iterator(folder)) {
      struct stat status;
      REQUIRE(::stat(file.path().c_str(), &status) == 0);
      blocks += static_cast<std::uint64_t>(status.st_blocks);
    }
    return blocks;
  };
  const auto before = space();
  const Ram restored(kPages);
  must(image.map_private(restored.page(0)));
  CHECK(restored == ram);
  CHECK(space() == before);
}

TEST_CASE("the longest runs are mapped when there are too many", "[snapshot]") {
  const TempFolder temp;
  const Ram ram(kPages);
  auto source = create_image(temp.folder("a"), kPages);
  ram.fill({0, kPages}, 1);
  must(source.save(ram.bytes(), all_written(kPages), Durability::kLazy));
  must(source.export_to(open_folder(temp.folder("b")).get(), Durability::kLazy));
  auto image = open_image(temp.path() / "b", kPages);
  for (std::uint64_t page = 0; page < 1000; page += 2) ram.fill(page, 2);
  ram.fill({1500, 100}, 0);
  ram.fill({1700, 100}, 3);
  must(image.save(ram.bytes(), all_written(kPages), Durability::kLazy));

  const Ram restored(kPages);
  const auto mapped = must(image.map_private(restored.page(0), 5));
  CHECK(mapped.mappings == 5);
  CHECK(mapped.pages_copied == 500);
  CHECK(restored == ram);
  CHECK(must(dirty_pages(restored.bytes())).written.count() == 500);
}

}  // namespace
}  // namespace tl::snapshot::test
