// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/memory_image.hpp"
#include "tests/unit/snapshot/snapshot_support.hpp"

namespace tl::snapshot::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPages = 200;

struct Origin {
  TempFolder temp;
  Ram ram{kPages};
  fs::path own = temp.folder("own");
  MemoryImage image = create_image(own, kPages);

  Origin() {
    ram.fill({0, 100}, 1);
    must(image.save(ram.bytes(), all_written(kPages), Durability::kSynced));
  }
  fs::path export_as(const std::string& name) {
    fs::path folder = temp.folder(name);
    must(image.export_to(open_folder(folder).get(), Durability::kSynced));
    return folder;
  }
};

TEST_CASE("a delta alone is shared without a copy and changed by nobody", "[snapshot]") {
  Origin origin;
  const fs::path a = origin.export_as("a");
  const fs::path b = origin.export_as("b");
  CHECK(inode_of(a / "memory.base") == inode_of(origin.own / "memory.base"));
  CHECK(inode_of(a / "memory.base") == inode_of(b / "memory.base"));
  CHECK_FALSE(fs::exists(origin.own / "memory"));

  // Everybody goes on, the origin on the same object.
  const Ram& first = origin.ram;
  const Ram of_a(kPages);
  const Ram of_b(kPages);
  auto image_a = open_image(a, kPages);
  auto image_b = open_image(b, kPages);
  must(image_a.map_private(of_a.page(0)));
  must(image_b.map_private(of_b.page(0)));
  first.fill({50, 100}, 2);
  of_a.fill({60, 10}, 3);
  of_b.fill({70, 10}, 0);
  must(origin.image.save(first.bytes(), all_written(kPages), Durability::kSynced));
  must(image_a.save(of_a.bytes(), must(dirty_pages(of_a.bytes())), Durability::kSynced));
  must(image_b.save(of_b.bytes(), must(dirty_pages(of_b.bytes())), Durability::kSynced));
  check_image_is(open_image(origin.own, kPages), first);
  check_image_is(open_image(a, kPages), of_a);
  check_image_is(open_image(b, kPages), of_b);
  CHECK(first.value(65) == 2);
  CHECK(of_a.value(65) == 3);
  CHECK(of_b.value(65) == 1);
  CHECK(of_b.value(75) == 0);
}

TEST_CASE("base and delta are merged into a new base", "[snapshot]") {
  Origin origin;
  origin.export_as("a");
  origin.ram.fill({50, 20}, 0);
  origin.ram.fill({90, 20}, 2);
  must(origin.image.save(origin.ram.bytes(), all_written(kPages), Durability::kSynced));
  const fs::path merged = origin.export_as("merged");
  CHECK(inode_of(merged / "memory.base") != inode_of(origin.own / "memory.base"));
  CHECK(fs::exists(origin.own / "memory"));
  const auto image = open_image(merged, kPages);
  CHECK(image.contents().runs() == std::vector<PageRun>{{0, 50}, {70, 40}});
  check_image_is(image, origin.ram);
  check_image_is(open_image(origin.own, kPages), origin.ram);
}

TEST_CASE("a shared memory outlives the folder it came from", "[snapshot]") {
  Origin origin;
  const fs::path a = origin.export_as("a");
  fs::remove_all(origin.own);
  check_image_is(open_image(a, kPages), origin.ram);
}

TEST_CASE("a memory runs on while its folder is exported and removed", "[snapshot]") {
  Origin origin;
  const Ram running(kPages);
  must(origin.image.map_private(running.page(0)));
  origin.export_as("a");
  must(create_image(origin.own, kPages).save(running.bytes(), all_written(kPages), Durability::kLazy));
  CHECK(running == origin.ram);
}

TEST_CASE("what was not saved is not exported, nor over another memory", "[snapshot]") {
  Origin origin;
  const fs::path a = origin.export_as("a");
  CHECK_FALSE(origin.image.export_to(open_folder(a).get(), Durability::kSynced));
  auto unsaved = create_image(origin.temp.folder("unsaved"), kPages);
  const auto refused = unsaved.export_to(open_folder(origin.temp.folder("b")).get(), Durability::kSynced);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kNotFound);
}

}  // namespace
}  // namespace tl::snapshot::test
