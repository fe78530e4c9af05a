// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <thread>

#include "runtime/storage/layered_disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/layered_disk_simulation.hpp"
#include "tests/unit/storage/layered_disk_support.hpp"

namespace tl::storage::test {
namespace {

constexpr std::uint64_t kBaseBytes = 200 * kKiB + 512;
constexpr std::uint64_t kDeviceBytes = 65 * kMiB;  // two map pages
constexpr std::uint64_t kSecondPage = std::uint64_t{kClustersPerMapPage} * kClusterBytes;

// A disk in memory whose layers overlap each other, the image and its end, and both map pages.
struct Fixture {
  void fill_layers(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      for (int request = 0; request < 12; ++request) {
        const std::uint64_t place = below(random, 2) == 0 ? 0 : kSecondPage - 128 * kKiB;
        const std::uint64_t offset = place + below(random, 512) * 512;
        const std::uint64_t length = (1 + below(random, 100)) * 512;
        if (below(random, 3) == 0) {
          must(disk->discard(offset, length));
        } else {
          write_at(*disk, offset, pattern(length, random()));
        }
      }
      REQUIRE(disk->freeze().has_value());
    }
  }
  void write_delta() { write_at(*disk, 4096 + 512, pattern(64 * kKiB, 77)); }
  [[nodiscard]] Bytes everything() const { return read_at(*disk, 0, kDeviceBytes); }
  void reopen() {
    disk.reset();
    disk = must(LayeredDisk::open(host.open_folder(), base));
  }
  [[nodiscard]] std::size_t layers() const { return (host.names_in("disk").size() - 1) / 2; }

  TempFolder temp;
  DiskBase base = make_base(temp, kBaseBytes);
  Random random{1};
  SimulatedHost host{1};
  DiskSpec spec{base, kDeviceBytes, 2 * kDeviceBytes};
  std::unique_ptr<LayeredDisk> disk = must(LayeredDisk::create(host.open_folder(), spec));
};

}  // namespace

TEST_CASE("a flattened disk reads as before, byte by byte, now and when opened again") {
  Fixture f;
  f.fill_layers(GENERATE(std::size_t{2}, std::size_t{3}, std::size_t{20}));
  f.write_delta();
  must(f.disk->flush());
  const Bytes before = f.everything();
  must(f.disk->flatten());
  CHECK(f.layers() == 2);
  CHECK((f.everything() == before));
  f.reopen();
  CHECK((f.everything() == before));
  f.fill_layers(3);
  const Bytes later = f.everything();
  must(f.disk->flatten());
  CHECK((f.everything() == later));
  f.reopen();
  CHECK((f.everything() == later));
}

TEST_CASE("a disk with no or one frozen layer has nothing to flatten") {
  Fixture f;
  must(f.disk->flatten());
  f.fill_layers(1);
  const auto names = f.host.names_in("disk");
  must(f.disk->flatten());
  CHECK(f.host.names_in("disk") == names);
  auto plan = f.disk->plan_flattening();
  REQUIRE(!plan.has_value());
  CHECK(plan.error().code == ErrorCode::kConflict);
}

TEST_CASE("a disk asks to be flattened long before it has as many layers as it may have") {
  Fixture f;
  for (std::size_t i = 0; i < 3 * DiskManifest::kMaxLayers; ++i) {
    write_at(*f.disk, i % 64 * 4096, pattern(4096, i));
    REQUIRE(f.disk->freeze().has_value());
    CHECK(f.disk->wants_flattening() == (f.layers() - 1 >= LayeredDisk::kManyLayers));
    if (f.disk->wants_flattening()) must(f.disk->flatten());
  }
  CHECK(f.layers() <= LayeredDisk::kManyLayers + 1);
  CHECK(f.disk->held_bytes() <= (64 + LayeredDisk::kManyLayers) * kClusterBytes);
}

TEST_CASE("the guest writes and freezes while its layers are merged") {
  Fixture f;
  f.fill_layers(5);
  auto plan = f.disk->plan_flattening();
  REQUIRE(plan.has_value());
  const bool before_merge = GENERATE(false, true);
  if (!before_merge) must((*plan)->merge());
  f.fill_layers(2);
  f.write_delta();
  if (before_merge) must((*plan)->merge());
  const Bytes before = f.everything();
  must(f.disk->install(*std::move(plan)));
  CHECK(f.layers() == 4);  // merged, two younger ones, the delta
  CHECK((f.everything() == before));
  must(f.disk->flush());
  f.reopen();
  CHECK((f.everything() == before));
  must(f.disk->flatten());
  CHECK((f.everything() == before));
}

TEST_CASE("a merge in another thread does not disturb the disk") {
  TempFolder temp;
  const DiskBase base = make_base(temp, kBaseBytes);
  const auto dir = temp.path() / "disk";
  auto disk = must(LayeredDisk::create(dir, {base, kDeviceBytes, 2 * kDeviceBytes}));
  Bytes model = pattern(kBaseBytes, 1);
  model.resize(kDeviceBytes);
  const auto write = [&](std::uint64_t offset, std::uint64_t length, std::uint64_t seed) {
    const Bytes bytes = pattern(length, seed);
    std::copy(bytes.begin(), bytes.end(), model.begin() + static_cast<std::ptrdiff_t>(offset));
    write_at(*disk, offset, bytes);
  };
  for (std::uint64_t i = 0; i < 4; ++i) {
    write(i * 100 * kKiB, 3 * kMiB, i + 2);
    REQUIRE(disk->freeze().has_value());
  }
  auto plan = disk->plan_flattening();
  REQUIRE(plan.has_value());
  Result<void> merged;
  std::thread merging([&] { merged = (*plan)->merge(); });
  for (std::uint64_t i = 0; i < 50; ++i) {
    write(i * 60 * kKiB, 8192, 100 + i);
    if (i % 10 == 0) must(disk->flush());
    if (i % 20 == 0) REQUIRE(disk->freeze().has_value());
  }
  CHECK((read_at(*disk, 0, kDeviceBytes) == model));
  merging.join();
  must(merged);
  must(disk->install(*std::move(plan)));
  CHECK((read_at(*disk, 0, kDeviceBytes) == model));
  must(disk->flush());
  disk.reset();
  disk = must(LayeredDisk::open(dir, base));
  CHECK((read_at(*disk, 0, kDeviceBytes) == model));
}

TEST_CASE("a merge that ends early leaves the disk and the folder as they were") {
  Fixture f;
  f.fill_layers(4);
  const Bytes before = f.everything();
  const auto names = f.host.names_in("disk");
  auto plan = f.disk->plan_flattening();
  REQUIRE(plan.has_value());
  SECTION("not begun") {}
  SECTION("stopped") {
    (*plan)->stop();
    CHECK(!(*plan)->merge());
  }
  SECTION("out of space") {
    f.host.set_capacity(f.host.used_bytes() + 64 * kKiB);
    auto merged = (*plan)->merge();
    REQUIRE(!merged.has_value());
    CHECK(merged.error().code == ErrorCode::kHostLacks);
  }
  const auto installed = f.disk->install(*std::move(plan));
  CHECK(!installed);
  f.host.set_capacity(SimulatedHost::kForever);
  CHECK(f.host.names_in("disk") == names);
  CHECK((f.everything() == before));
  must(f.disk->flatten());
  CHECK((f.everything() == before));
}

TEST_CASE("a merge whose layers are gone is not installed") {
  Fixture f;
  f.fill_layers(4);
  const Bytes before = f.everything();
  auto late = f.disk->plan_flattening();
  REQUIRE(late.has_value());
  must((*late)->merge());
  must(f.disk->flatten());
  const auto names = f.host.names_in("disk");
  CHECK(f.host.names_in("disk").size() > 2);
  auto refused = f.disk->install(*std::move(late));
  REQUIRE(!refused.has_value());
  CHECK(refused.error().code == ErrorCode::kConflict);
  CHECK((f.everything() == before));
  CHECK(f.layers() == 2);
  f.reopen();
  CHECK((f.everything() == before));
}

TEST_CASE("a flattened disk gives back what nobody sees any more") {
  Fixture f;
  for (int i = 0; i < 4; ++i) {
    write_at(*f.disk, 0, pattern(64 * kKiB, 2));
    write_at(*f.disk, kMiB, pattern(64 * kKiB, 2));
    REQUIRE(f.disk->freeze().has_value());
  }
  must(f.disk->discard(0, 64 * kKiB));
  must(f.disk->discard(kMiB, 64 * kKiB));
  REQUIRE(f.disk->freeze().has_value());
  write_at(*f.disk, 2 * kMiB, pattern(4096, 3));
  REQUIRE(f.disk->freeze().has_value());
  CHECK(f.disk->held_bytes() == 4 * 128 * kKiB + 4096);
  const std::uint64_t before = f.host.used_bytes();
  must(f.disk->flatten());
  CHECK(f.disk->held_bytes() == 4096);
  CHECK(f.host.used_bytes() < before - 4 * 128 * kKiB);
  CHECK(read_at(*f.disk, 0, 64 * kKiB) == filled(64 * kKiB, 0));  // and not the image
  CHECK(read_at(*f.disk, kMiB, 64 * kKiB) == filled(64 * kKiB, 0));
}

TEST_CASE("zeroes are kept over the image and nowhere else") {
  TempFolder temp;
  const DiskBase base = make_base(temp, kBaseBytes);
  const auto dir = temp.path() / "disk";
  auto disk = must(LayeredDisk::create(dir, {base, kDeviceBytes, kDeviceBytes}));
  write_at(*disk, 0, pattern(512 * kKiB, 2));
  REQUIRE(disk->freeze().has_value());
  must(disk->discard(0, 512 * kKiB));
  REQUIRE(disk->freeze().has_value());
  must(disk->flatten());
  disk.reset();
  auto folder = open_host_folder(dir);
  REQUIRE(folder.has_value());
  auto manifest = DiskManifest::read(**folder);
  REQUIRE(manifest.has_value());
  auto layer = DiskLayer::open(**folder, {kDeviceBytes, manifest->layers.front(), ""}, FileAccess::kRead);
  REQUIRE(layer.has_value());
  auto over_image = layer->run(0, 512 * kKiB / kClusterBytes);
  REQUIRE(over_image.has_value());
  CHECK(over_image->state == ClusterState::kZero);
  CHECK(over_image->length == manifest->base_clusters());
  auto beyond = layer->run(manifest->base_clusters(), 1);
  REQUIRE(beyond.has_value());
  CHECK(beyond->state == ClusterState::kAbsent);
  CHECK(layer->held() == 0);
}

TEST_CASE("a flattened disk is shared like any other, and its checkpoints keep what it was") {
  Fixture f;
  f.fill_layers(3);
  const Bytes first = f.everything();
  must(f.disk->export_frozen(*f.host.open_folder("before")));
  must(f.disk->flatten());
  must(f.disk->export_frozen(*f.host.open_folder("after")));
  f.fill_layers(1);
  const Bytes second = f.everything();
  must(f.disk->export_frozen(*f.host.open_folder("later")));
  must(f.disk->flatten());

  const auto copy_reads = [&](const std::string& from, const Bytes& expected) {
    INFO(from);
    auto frozen = f.host.open_folder(from);
    auto copy = must(LayeredDisk::create_from(f.host.open_folder("copy of " + from), *frozen, f.spec));
    CHECK((read_at(*copy, 0, kDeviceBytes) == expected));
    REQUIRE(copy->freeze().has_value());
    must(copy->flatten());
    copy.reset();
    copy = must(LayeredDisk::open(f.host.open_folder("copy of " + from), f.base));
    CHECK((read_at(*copy, 0, kDeviceBytes) == expected));
  };
  copy_reads("before", first);
  copy_reads("after", first);
  copy_reads("later", second);
  CHECK((f.everything() == second));
}

TEST_CASE("a merge made while nothing was synced is durable when it is installed by a disk that syncs") {
  TempFolder temp;
  const DiskBase base = make_base(temp, kBaseBytes);
  const auto dir = temp.path() / "disk";
  auto disk = must(LayeredDisk::create(dir, {base, kDeviceBytes, kDeviceBytes, Durability::kLazy}));
  for (std::uint64_t i = 0; i < 3; ++i) {
    write_at(*disk, i * 4096, pattern(8192, i));
    REQUIRE(disk->freeze().has_value());
  }
  auto plan = disk->plan_flattening();
  REQUIRE(plan.has_value());
  must((*plan)->merge());
  disk->start_syncing();
  must(LayeredDisk::sync_files(dir));
  must(disk->install(*std::move(plan)));
  disk.reset();
  disk = must(LayeredDisk::open(dir, base));
  CHECK(read_at(*disk, 8192, 8192) == pattern(8192, 2));
}

}  // namespace tl::storage::test
