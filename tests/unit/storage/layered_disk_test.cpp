// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/layered_disk.hpp"

#include <unistd.h>

#include <algorithm>

#include "tests/support/catch.hpp"
#include "tests/unit/storage/layered_disk_simulation.hpp"
#include "tests/unit/storage/layered_disk_support.hpp"

namespace tl::storage::test {
namespace {

constexpr std::uint64_t kBaseBytes = 41 * 512;  // ends in the middle of a cluster
constexpr std::uint64_t kDeviceBytes = 1 * kMiB;

// The device as it is when nothing has been written.
Bytes fresh() {
  Bytes bytes = pattern(kBaseBytes, 1);
  bytes.resize(kDeviceBytes);
  return bytes;
}

struct Fixture {
  TempFolder temp;
  DiskBase base = make_base(temp, kBaseBytes);
  std::filesystem::path dir = temp.path() / "disk";
  std::unique_ptr<LayeredDisk> disk = must(LayeredDisk::create(dir, spec()));

  [[nodiscard]] DiskSpec spec() const { return {base, kDeviceBytes, 64 * kMiB}; }
  void reopen() {
    disk.reset();
    disk = must(LayeredDisk::open(dir, base));
  }
};

// The same without the host's disk, for what is tried many times.
struct FixtureInMemory {
  TempFolder temp;
  DiskBase base = make_base(temp, kBaseBytes);
  SimulatedHost host{1};
  std::unique_ptr<LayeredDisk> disk =
      must(LayeredDisk::create(host.open_folder(), {base, kDeviceBytes, 64 * kMiB}));

  void reopen() {
    disk.reset();
    disk = must(LayeredDisk::open(host.open_folder(), base));
  }
};

Bytes part(const Bytes& bytes, std::uint64_t offset, std::uint64_t length) {
  const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
  return Bytes(begin, begin + static_cast<std::ptrdiff_t>(length));
}

}  // namespace

TEST_CASE("a new disk reads as its image and as zeroes beyond it") {
  Fixture f;
  CHECK(f.disk->size_bytes() == kDeviceBytes);
  CHECK(read_at(*f.disk, 0, kDeviceBytes) == fresh());
  CHECK(read_at(*f.disk, kBaseBytes - 512, 1024) == part(fresh(), kBaseBytes - 512, 1024));
  CHECK(f.disk->held_bytes() == 0);
}

TEST_CASE("a new disk takes next to no space") {
  Fixture f;
  must(f.disk->flush());
  auto info = LayeredDisk::describe(f.dir);
  REQUIRE(info.has_value());
  CHECK(info->used_bytes <= 8 * kKiB);
  CHECK(info->layers == 1);
  CHECK(info->device_bytes == kDeviceBytes);
  CHECK(info->quota_bytes == 64 * kMiB);
  CHECK(info->base_digest == f.base.digest);
}

TEST_CASE("a write of any alignment changes what it covers and nothing else") {
  const std::uint64_t offset = GENERATE(0, 512, 3584, 4096, 20480, 20992);
  const std::uint64_t length = GENERATE(512, 1024, 4096, 4608, 8192, 12800);
  FixtureInMemory f;
  Bytes expected = fresh();
  const Bytes written = pattern(length, 7);
  std::copy(written.begin(), written.end(), expected.begin() + static_cast<std::ptrdiff_t>(offset));
  write_at(*f.disk, offset, written);
  CHECK(read_at(*f.disk, 0, kDeviceBytes) == expected);
  must(f.disk->flush());
  f.reopen();
  CHECK(read_at(*f.disk, 0, kDeviceBytes) == expected);
}

TEST_CASE("zeroing a range of any alignment changes what it covers and nothing else") {
  const std::uint64_t offset = GENERATE(0, 512, 3584, 4096, 20480, 20992);
  const std::uint64_t length = GENERATE(512, 1024, 4096, 4608, 8192, 12800);
  const bool written_before = GENERATE(false, true);
  const bool frozen_before = GENERATE(false, true);
  FixtureInMemory f;
  Bytes expected = fresh();
  if (written_before) {
    expected = pattern(kDeviceBytes, 3);
    write_at(*f.disk, 0, expected);
  }
  if (frozen_before) REQUIRE(f.disk->freeze().has_value());
  std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(offset), length, std::byte{0});
  must(f.disk->discard(offset, length));
  CHECK(read_at(*f.disk, 0, kDeviceBytes) == expected);
  must(f.disk->flush());
  CHECK(read_at(*f.disk, 0, kDeviceBytes) == expected);
  f.reopen();
  CHECK(read_at(*f.disk, 0, kDeviceBytes) == expected);
}

TEST_CASE("part of a discarded cluster that is written again keeps zeroes around it") {
  Fixture f;
  write_at(*f.disk, 0, pattern(8192, 5));
  must(f.disk->flush());
  must(f.disk->discard(0, 8192));
  const bool flushed = GENERATE(false, true);
  if (flushed) must(f.disk->flush());
  write_at(*f.disk, 1024, pattern(512, 6));
  Bytes expected = filled(8192, 0);
  const Bytes written = pattern(512, 6);
  std::copy(written.begin(), written.end(), expected.begin() + 1024);
  CHECK(read_at(*f.disk, 0, 8192) == expected);
  must(f.disk->flush());
  f.reopen();
  CHECK(read_at(*f.disk, 0, 8192) == expected);
}

TEST_CASE("the image is never written") {
  Fixture f;
  write_at(*f.disk, 0, pattern(kDeviceBytes, 9));
  must(f.disk->discard(0, kDeviceBytes / 2));
  must(f.disk->flush());
  CHECK(read_file(f.base.path) == pattern(kBaseBytes, 1));
}

TEST_CASE("what was not flushed is old again after the process is gone") {
  Fixture f;
  write_at(*f.disk, 0, pattern(4096, 2));
  must(f.disk->flush());
  write_at(*f.disk, 4096, pattern(4096, 3));
  f.reopen();
  CHECK(read_at(*f.disk, 0, 4096) == pattern(4096, 2));
  CHECK(read_at(*f.disk, 4096, 4096) == part(fresh(), 4096, 4096));
}

TEST_CASE("a frozen layer keeps what it had and a new delta takes the writes") {
  Fixture f;
  write_at(*f.disk, 0, pattern(8192, 2));
  auto frozen = f.disk->freeze();
  REQUIRE(frozen.has_value());
  const auto frozen_data = f.dir / LayerFiles::data_name(*frozen);
  const Bytes frozen_bytes = read_file(frozen_data);
  write_at(*f.disk, 4096 + 512, pattern(512, 4));
  must(f.disk->discard(0, 4096));
  must(f.disk->flush());
  CHECK(read_file(frozen_data) == frozen_bytes);

  Bytes expected = pattern(8192, 2);
  std::fill_n(expected.begin(), 4096, std::byte{0});
  const Bytes written = pattern(512, 4);
  std::copy(written.begin(), written.end(), expected.begin() + 4096 + 512);
  CHECK(read_at(*f.disk, 0, 8192) == expected);
  CHECK(f.disk->held_bytes() == 3 * kClusterBytes);
  f.reopen();
  CHECK(read_at(*f.disk, 0, 8192) == expected);
  CHECK(f.disk->held_bytes() == 3 * kClusterBytes);
  auto info = LayeredDisk::describe(f.dir);
  REQUIRE(info.has_value());
  CHECK(info->layers == 2);
}

TEST_CASE("a disk refuses more layers than it may have and goes on") {
  FixtureInMemory f;
  for (std::size_t i = 1; i < DiskManifest::kMaxLayers; ++i) {
    write_at(*f.disk, i * 4096, pattern(4096, i));
    REQUIRE(f.disk->freeze().has_value());
  }
  auto refused = f.disk->freeze();
  REQUIRE(!refused.has_value());
  CHECK(refused.error().code == ErrorCode::kOutOfRange);
  for (std::size_t i = 1; i < DiskManifest::kMaxLayers; ++i)
    CHECK(read_at(*f.disk, i * 4096, 4096) == pattern(4096, i));
}

TEST_CASE("the largest device costs nothing to create and works at both ends") {
  TempFolder temp;
  const DiskBase base = make_base(temp, 4096);
  const auto dir = temp.path() / "disk";
  auto disk = must(LayeredDisk::create(dir, {base, kMaxDeviceBytes, kMaxDeviceBytes}));
  write_at(*disk, kMaxDeviceBytes - 4096, pattern(4096, 2));
  must(disk->discard(0, kMaxDeviceBytes - 8192));
  must(disk->flush());
  auto info = LayeredDisk::describe(dir);
  REQUIRE(info.has_value());
  CHECK(info->used_bytes <= 64 * kKiB);
  CHECK(read_at(*disk, 0, 4096) == filled(4096, 0));
  CHECK(read_at(*disk, kMaxDeviceBytes - 8192, 4096) == filled(4096, 0));
  CHECK(read_at(*disk, kMaxDeviceBytes - 4096, 4096) == pattern(4096, 2));
}

TEST_CASE("sizes that make no sense are refused and leave no disk") {
  TempFolder temp;
  const DiskBase base = make_base(temp, 8192);
  const auto dir = temp.path() / "disk";
  for (const std::uint64_t device : {std::uint64_t{0}, std::uint64_t{4096}, std::uint64_t{8192 + 512},
                                     kMaxDeviceBytes + 4096, ~std::uint64_t{0}}) {
    auto disk = LayeredDisk::create(dir, {base, device, kMiB});
    REQUIRE(!disk.has_value());
    CHECK(disk.error().code == ErrorCode::kOutOfRange);
  }
  CHECK(!LayeredDisk::create(dir, {base, kMiB, 0}).has_value());
  CHECK(!LayeredDisk::create(dir, {{base.path, ""}, kMiB, kMiB}).has_value());
  CHECK(!LayeredDisk::create(dir, {{base.path, "a/../b"}, kMiB, kMiB}).has_value());
  CHECK(!LayeredDisk::create(dir, {{temp.path() / "none", "x"}, kMiB, kMiB}).has_value());
  CHECK(!LayeredDisk::create(dir, {{temp.path(), "x"}, kMiB, kMiB}).has_value());
  CHECK(std::filesystem::is_empty(dir));
  CHECK(LayeredDisk::create(dir, {base, kMiB, kMiB}).has_value());
}

TEST_CASE("a disk is not created over another, nor used twice at once") {
  Fixture f;
  auto second = LayeredDisk::open(f.dir, f.base);
  REQUIRE(!second.has_value());
  CHECK(second.error().code == ErrorCode::kConflict);
  CHECK(LayeredDisk::describe(f.dir).has_value());
  f.disk.reset();
  auto over = LayeredDisk::create(f.dir, f.spec());
  REQUIRE(!over.has_value());
  CHECK(over.error().code == ErrorCode::kConflict);
}

TEST_CASE("a disk is refused on top of another image") {
  Fixture f;
  f.disk.reset();
  auto other = LayeredDisk::open(f.dir, {f.base.path, "sha256:0002"});
  REQUIRE(!other.has_value());
  CHECK(other.error().code == ErrorCode::kConflict);
  write_file(f.base.path, pattern(kBaseBytes + 512, 1));
  CHECK(!LayeredDisk::open(f.dir, f.base).has_value());
}

TEST_CASE("a half-made disk is recognised and can be made again") {
  Fixture f;
  f.disk.reset();
  std::filesystem::remove(f.dir / "manifest.json");
  auto opened = LayeredDisk::open(f.dir, f.base);
  REQUIRE(!opened.has_value());
  CHECK(opened.error().message.find("half-made") != std::string::npos);
  f.disk = must(LayeredDisk::create(f.dir, f.spec()));
  CHECK(disk_files(f.dir, ".map").size() == 1);
  CHECK(disk_files(f.dir, ".data").size() == 1);
}

TEST_CASE("opening a disk removes what a broken freeze left behind and nothing else") {
  Fixture f;
  write_file(f.dir / "delta-0123456789abcdef.data", filled(10, 1));
  write_file(f.dir / ".manifest.json.abcdefgh.tmp", filled(10, 1));
  write_file(f.dir / "somebody-elses", filled(10, 1));
  f.reopen();
  CHECK(disk_files(f.dir, ".data").size() == 1);
  CHECK(!std::filesystem::exists(f.dir / ".manifest.json.abcdefgh.tmp"));
  CHECK(std::filesystem::exists(f.dir / "somebody-elses"));
}

TEST_CASE("a lazy disk is like any other to whoever opens it next") {
  Fixture f;
  f.dir = f.temp.path() / "lazy";
  DiskSpec spec = f.spec();
  spec.durability = Durability::kLazy;
  f.disk = must(LayeredDisk::create(f.dir, spec));
  const Bytes data = pattern(8 * kKiB, 7);
  write_at(*f.disk, 4 * kKiB, data);
  must(f.disk->flush());
  SECTION("left as it is") {}
  SECTION("kept from now on") {
    f.disk->start_syncing();
    must(LayeredDisk::sync_files(f.dir));  // while it is in use
    write_at(*f.disk, 64 * kKiB, data);
    must(f.disk->flush());
  }
  f.reopen();
  CHECK(read_at(*f.disk, 4 * kKiB, data.size()) == data);
}

TEST_CASE("files wait for the host's disk only while their switch is on") {
  // A pipe cannot be synced: that an attempt was made shows in its error.
  const auto pipe_end = [] {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    ::close(ends[1]);
    return UniqueFd(ends[0]);
  };
  const auto syncs = std::make_shared<SyncSwitch>(false);
  const auto file = make_host_file(pipe_end(), "lazy", syncs);
  CHECK(file->sync());
  syncs->turn_on();
  CHECK_FALSE(file->sync());
  CHECK_FALSE(make_host_file(pipe_end(), "always")->sync());
}

TEST_CASE("files that are not all there are not synced in silence") {
  Fixture f;
  std::filesystem::remove(disk_files(f.dir, ".map").front());
  CHECK_FALSE(LayeredDisk::sync_files(f.dir));
  CHECK_FALSE(LayeredDisk::sync_files(f.temp.path() / "nothing"));
}

}  // namespace tl::storage::test
