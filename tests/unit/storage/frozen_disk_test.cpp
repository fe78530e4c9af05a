// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/frozen_disk.hpp"

#include <fcntl.h>

#include <algorithm>

#include "common/io.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/layered_disk_support.hpp"

namespace tl::storage::test {
namespace {

constexpr std::uint64_t kBaseBytes = 40 * kKiB;
constexpr std::uint64_t kDeviceBytes = kMiB;

// A frozen disk of two layers over an image, and what it should read as.
struct Fixture {
  Fixture() {
    auto disk = must(LayeredDisk::create(folder.path() / "disk", {base, kDeviceBytes, kMiB}));
    write_at(*disk, 0, pattern(8192, 2));
    REQUIRE(disk->freeze().has_value());
    write_at(*disk, 512 * kKiB, pattern(4096, 3));
    must(disk->discard(12288, 4096));
    REQUIRE(disk->freeze().has_value());
    write_at(*disk, 4096, pattern(4096, 4));  // too late
    must(disk->export_frozen(frozen));
    expected = pattern(kBaseBytes, 1);
    expected.resize(kDeviceBytes);
    const Bytes low = pattern(8192, 2);
    std::copy(low.begin(), low.end(), expected.begin());
    const Bytes high = pattern(4096, 3);
    std::copy(high.begin(), high.end(), expected.begin() + 512 * kKiB);
    std::fill_n(expected.begin() + 12288, 4096, std::byte{0});
  }

  [[nodiscard]] std::unique_ptr<DiskFile> empty_file(const std::filesystem::path& path,
                                                     std::uint64_t bytes) const {
    auto fd = open_at(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0600);
    REQUIRE(fd);
    std::filesystem::resize_file(path, bytes);
    return make_host_file(*std::move(fd), path);
  }

  TempFolder folder;
  DiskBase base = make_base(folder, kBaseBytes);
  std::filesystem::path frozen = folder.path() / "frozen";
  Bytes expected;
};

TEST_CASE("A frozen disk reads as it was when it was frozen, by several at once") {
  Fixture fixture;
  auto disk = FrozenDisk::open(fixture.frozen, fixture.base);
  REQUIRE(disk);
  const auto other = FrozenDisk::open(fixture.frozen, fixture.base);
  REQUIRE(other);
  CHECK((*disk)->size_bytes() == kDeviceBytes);
  Bytes bytes(kDeviceBytes);
  must((*disk)->read(0, bytes));
  CHECK(bytes == fixture.expected);
}

TEST_CASE("A copy of a frozen disk has its contents, and holes where it has zeroes") {
  Fixture fixture;
  auto disk = FrozenDisk::open(fixture.frozen, fixture.base);
  REQUIRE(disk);
  std::uint64_t moved = 0;
  const auto path = fixture.folder.path() / "copy";
  const auto file = fixture.empty_file(path, kDeviceBytes);
  must((*disk)->copy_to(*file, kDeviceBytes, {[&moved](std::uint64_t bytes) { moved = bytes; }, {}}));
  CHECK(read_file(path) == fixture.expected);
  CHECK(moved == 40 * kKiB);  // the image without the discarded cluster, and one cluster
  CHECK(allocated_bytes(path) <= 64 * kKiB);
  const auto half = fixture.folder.path() / "half";
  must((*disk)->copy_to(*fixture.empty_file(half, 512 * kKiB), 512 * kKiB, {}));
  CHECK(read_file(half) == Bytes(fixture.expected.begin(), fixture.expected.begin() + 512 * kKiB));
}

TEST_CASE("A copy of a frozen disk can be given up") {
  Fixture fixture;
  auto disk = FrozenDisk::open(fixture.frozen, fixture.base);
  REQUIRE(disk);
  const auto file = fixture.empty_file(fixture.folder.path() / "copy", kDeviceBytes);
  const auto copied = (*disk)->copy_to(*file, kDeviceBytes, {{}, [] { return true; }});
  REQUIRE_FALSE(copied);
  CHECK(copied.error().message == "interrupted");
}

TEST_CASE("A disk that is not frozen, or of another image, is not read as a frozen one") {
  Fixture fixture;
  const auto live = FrozenDisk::open(fixture.folder.path() / "disk", fixture.base);
  REQUIRE_FALSE(live);
  CHECK(live.error().code == ErrorCode::kConflict);
  DiskBase other = fixture.base;
  other.digest = "sha256:other";
  const auto strange = FrozenDisk::open(fixture.frozen, other);
  REQUIRE_FALSE(strange);
  CHECK(strange.error().code == ErrorCode::kConflict);
}

}  // namespace
}  // namespace tl::storage::test
