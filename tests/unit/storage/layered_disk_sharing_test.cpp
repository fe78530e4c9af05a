// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <algorithm>

#include "runtime/storage/layered_disk.hpp"
#include "runtime/storage/sparse_copy.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/layered_disk_simulation.hpp"
#include "tests/unit/storage/layered_disk_support.hpp"

namespace tl::storage::test {
namespace {

constexpr std::uint64_t kBaseBytes = 41 * 512;
constexpr std::uint64_t kDeviceBytes = 1 * kMiB;

Bytes expected_at_checkpoint() {
  Bytes bytes = pattern(kBaseBytes, 1);
  bytes.resize(kDeviceBytes);
  const Bytes low = pattern(8192, 2);
  const Bytes high = pattern(4096, 3);
  std::copy(low.begin(), low.end(), bytes.begin());
  std::copy(high.begin(), high.end(), bytes.begin() + 64 * kKiB);
  std::fill_n(bytes.begin() + 12288, 4096, std::byte{0});
  return bytes;
}

// A disk of two frozen layers and a delta, and the checkpoint that was made of it.
struct Fixture {
  Fixture() {
    write_at(*disk, 0, pattern(8192, 2));
    REQUIRE(disk->freeze().has_value());
    write_at(*disk, 64 * kKiB, pattern(4096, 3));
    must(disk->discard(12288, 4096));
    REQUIRE(disk->freeze().has_value());
    must(disk->export_frozen(frozen));
  }

  [[nodiscard]] DiskSpec spec() const { return {base, kDeviceBytes, kMiB}; }
  [[nodiscard]] std::unique_ptr<LayeredDisk> copy_to(const std::filesystem::path& to) const {
    return must(LayeredDisk::create_from(to, frozen, spec()));
  }
  Error refusal(const DiskSpec& other) const {
    auto refused = LayeredDisk::create_from(temp.path() / "refused", frozen, other);
    REQUIRE(!refused.has_value());
    CHECK(std::filesystem::is_empty(temp.path() / "refused"));
    return refused.error();
  }

  TempFolder temp;
  DiskBase base = make_base(temp, kBaseBytes);
  std::filesystem::path dir = temp.path() / "disk";
  std::filesystem::path frozen = temp.path() / "checkpoint";
  std::filesystem::path copy = temp.path() / "copy";
  std::unique_ptr<LayeredDisk> disk = must(LayeredDisk::create(dir, spec()));
};

std::vector<Bytes> contents_of(const std::filesystem::path& dir) {
  std::vector<Bytes> contents;
  for (const char* suffix : {".data", ".map", ".json"})
    for (const auto& file : disk_files(dir, suffix)) contents.push_back(read_file(file));
  return contents;
}

}  // namespace

TEST_CASE("a copy reads as the checkpoint, whatever the original did since") {
  Fixture f;
  write_at(*f.disk, 0, pattern(128 * kKiB, 9));
  must(f.disk->flush());
  auto copy = f.copy_to(f.copy);
  CHECK(read_at(*copy, 0, kDeviceBytes) == expected_at_checkpoint());
  CHECK(copy->held_bytes() == 3 * kClusterBytes);
  copy.reset();
  copy = must(LayeredDisk::open(f.copy, f.base));
  CHECK(read_at(*copy, 0, kDeviceBytes) == expected_at_checkpoint());
}

TEST_CASE("what a copy writes shows neither in the original nor in the checkpoint nor in another copy") {
  Fixture f;
  const auto checkpoint = contents_of(f.frozen);
  auto copy = f.copy_to(f.copy);
  auto other = f.copy_to(f.temp.path() / "other");
  write_at(*copy, 512, pattern(256 * kKiB, 9));
  must(copy->discard(0, 512));
  must(copy->flush());
  REQUIRE(copy->freeze().has_value());
  write_at(*copy, 4096, pattern(4096, 10));
  must(copy->flush());
  must(copy->flatten());
  CHECK(read_at(*f.disk, 0, kDeviceBytes) == expected_at_checkpoint());
  CHECK(read_at(*other, 0, kDeviceBytes) == expected_at_checkpoint());
  CHECK(contents_of(f.frozen) == checkpoint);
}

TEST_CASE("folders have the same files and each can go without the others") {
  Fixture f;
  auto copy = f.copy_to(f.copy);
  const auto shared = disk_files(f.frozen, ".data");
  REQUIRE(shared.size() == 2);
  for (const auto& file : shared) {
    CHECK(std::filesystem::hard_link_count(file) == 3);
    CHECK(std::filesystem::equivalent(file, f.copy / file.filename()));
  }
  f.disk.reset();
  std::filesystem::remove_all(f.dir);
  for (const auto& file : shared) CHECK(std::filesystem::hard_link_count(file) == 2);
  std::filesystem::remove_all(f.frozen);
  CHECK(read_at(*copy, 0, kDeviceBytes) == expected_at_checkpoint());
  copy.reset();
  copy = must(LayeredDisk::open(f.copy, f.base));
  CHECK(read_at(*copy, 0, kDeviceBytes) == expected_at_checkpoint());
  for (const auto& file : disk_files(f.copy, ".data")) CHECK(std::filesystem::hard_link_count(file) == 1);
}

TEST_CASE("a copy of a copy's checkpoint has the writes of both") {
  Fixture f;
  auto copy = f.copy_to(f.copy);
  write_at(*copy, 4096, pattern(4096, 11));
  REQUIRE(copy->freeze().has_value());
  const auto second = f.temp.path() / "checkpoint2";
  must(copy->export_frozen(second));
  const auto grandchild = must(LayeredDisk::create_from(f.temp.path() / "grandchild", second, f.spec()));
  Bytes expected = expected_at_checkpoint();
  const Bytes written = pattern(4096, 11);
  std::copy(written.begin(), written.end(), expected.begin() + 4096);
  CHECK(read_at(*grandchild, 0, kDeviceBytes) == expected);
}

TEST_CASE("a copy may be allowed more than the original and never less") {
  Fixture f;
  DiskSpec spec = f.spec();
  spec.quota_bytes = 2 * kMiB;
  auto copy = must(LayeredDisk::create_from(f.copy, f.frozen, spec));
  write_at(*copy, 0, pattern(kDeviceBytes, 4));  // with what the frozen layers hold, beyond the old quota
  must(copy->flush());
  copy.reset();
  auto info = LayeredDisk::describe(f.copy);
  REQUIRE(info.has_value());
  CHECK(info->quota_bytes == 2 * kMiB);

  spec.quota_bytes = kMiB - 4096;
  CHECK(f.refusal(spec).code == ErrorCode::kOutOfRange);
}

TEST_CASE("a copy on top of another image or for another device is refused") {
  Fixture f;
  DiskSpec spec = f.spec();
  spec.base.digest = "sha256:0002";
  CHECK(f.refusal(spec).code == ErrorCode::kConflict);
  spec = f.spec();
  spec.device_bytes = 2 * kMiB;
  CHECK(f.refusal(spec).code == ErrorCode::kOutOfRange);
  write_file(f.base.path, pattern(kBaseBytes + 512, 1));
  f.refusal(f.spec());
}

TEST_CASE("a copy is not made over a disk, nor from anything but a frozen disk") {
  Fixture f;
  auto over = LayeredDisk::create_from(f.dir, f.frozen, f.spec());
  REQUIRE(!over.has_value());
  CHECK(over.error().code == ErrorCode::kConflict);
  auto from_live = LayeredDisk::create_from(f.copy, f.dir, f.spec());
  REQUIRE(!from_live.has_value());
  CHECK(from_live.error().code == ErrorCode::kConflict);
  CHECK(!LayeredDisk::create_from(f.copy, f.temp.path() / "none", f.spec()).has_value());
  std::filesystem::remove(f.frozen / "manifest.json");
  auto from_half = LayeredDisk::create_from(f.copy, f.frozen, f.spec());
  REQUIRE(!from_half.has_value());
  CHECK(from_half.error().message.find("half-made") != std::string::npos);
  CHECK(std::filesystem::is_empty(f.copy));
}

TEST_CASE("a copy of a damaged checkpoint is refused, leaves no disk, and can be tried again") {
  Fixture f;
  const auto file = disk_files(f.frozen, GENERATE(".map", ".data")).back();
  const auto kept = f.temp.path() / "kept";
  std::filesystem::rename(file, kept);
  SECTION("nothing there") {}
  SECTION("a link there") {
    std::filesystem::create_symlink(kept, file);
  }
  SECTION("something else there") {
    write_file(file, pattern(8192, 1));
  }
  SECTION("a folder there") {
    std::filesystem::create_directory(file);
  }
  f.refusal(f.spec());
  std::filesystem::remove(file);
  std::filesystem::rename(kept, file);
  const auto copy = must(LayeredDisk::create_from(f.temp.path() / "refused", f.frozen, f.spec()));
  CHECK(read_at(*copy, 0, kDeviceBytes) == expected_at_checkpoint());
}

TEST_CASE("a frozen disk is not opened, and is described like any other") {
  Fixture f;
  auto opened = LayeredDisk::open(f.frozen, f.base);
  REQUIRE(!opened.has_value());
  CHECK(opened.error().code == ErrorCode::kConflict);
  auto info = LayeredDisk::describe(f.frozen);
  REQUIRE(info.has_value());
  CHECK(info->frozen);
  CHECK(info->layers == 2);
  CHECK(info->base_digest == f.base.digest);
  CHECK(info->used_bytes >= 3 * kClusterBytes);
  CHECK(info->shared_bytes == info->used_bytes);
  CHECK(LayeredDisk::sync_files(f.frozen));
  f.disk.reset();
  std::filesystem::remove_all(f.dir);
  info = LayeredDisk::describe(f.frozen);
  REQUIRE(info.has_value());
  CHECK(info->shared_bytes == 0);
}

TEST_CASE("what is shared is not all that a disk uses") {
  Fixture f;
  write_at(*f.disk, 0, pattern(16 * kKiB, 4));
  must(f.disk->flush());
  auto info = LayeredDisk::describe(f.dir);
  REQUIRE(info.has_value());
  CHECK(!info->frozen);
  CHECK(info->shared_bytes >= 3 * kClusterBytes);
  CHECK(info->used_bytes >= info->shared_bytes + 16 * kKiB);
}

TEST_CASE("an export has the last freeze and not what was written since") {
  Fixture f;
  write_at(*f.disk, 0, pattern(64 * kKiB, 9));
  const auto late = f.temp.path() / "late";
  must(f.disk->export_frozen(late));
  const auto copy = must(LayeredDisk::create_from(f.copy, late, f.spec()));
  CHECK(read_at(*copy, 0, kDeviceBytes) == expected_at_checkpoint());
}

TEST_CASE("an export goes to an empty folder or makes one, and is refused elsewhere") {
  Fixture f;
  const auto there = f.temp.path() / "there";
  std::filesystem::create_directory(there);
  must(f.disk->export_frozen(there));
  auto again = f.disk->export_frozen(there);
  REQUIRE(!again.has_value());
  CHECK(again.error().code == ErrorCode::kConflict);
  CHECK(LayeredDisk::describe(there).has_value());
  CHECK(!f.disk->export_frozen(f.temp.path() / "none" / "deep").has_value());

  auto fresh = must(LayeredDisk::create(f.temp.path() / "fresh", f.spec()));
  auto never_frozen = fresh->export_frozen(f.temp.path() / "nothing");
  REQUIRE(!never_frozen.has_value());
  CHECK(never_frozen.error().code == ErrorCode::kConflict);
  CHECK(!std::filesystem::exists(f.temp.path() / "nothing"));
}

TEST_CASE("layers are copied with their holes where the host cannot share them") {
  Fixture f;
  std::string name = "/dev/shm/tl-storage-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    WARN("skipped: there is no second file system");
    return;
  }
  const std::filesystem::path elsewhere = name;
  struct stat here {};
  struct stat there {};
  REQUIRE(::stat(f.dir.c_str(), &here) == 0);
  REQUIRE(::stat(elsewhere.c_str(), &there) == 0);
  if (here.st_dev == there.st_dev) {
    WARN("skipped: the second file system is the first");
  } else {
    must(f.disk->export_frozen(elsewhere / "checkpoint"));
    for (const auto& file : disk_files(elsewhere / "checkpoint", ".data")) {
      CHECK(std::filesystem::hard_link_count(file) == 1);
      CHECK(allocated_bytes(file) <= 64 * kKiB);
    }
    const auto copy = must(LayeredDisk::create_from(f.copy, elsewhere / "checkpoint", f.spec()));
    CHECK(read_at(*copy, 0, kDeviceBytes) == expected_at_checkpoint());
  }
  std::filesystem::remove_all(elsewhere);
}

TEST_CASE("a sparse copy has the contents and holes of what it was made of") {
  SimulatedHost host(1);
  const auto folder = host.open_folder();
  constexpr std::uint64_t kBytes = 8 * kMiB;
  auto from = folder->create_file("from", kBytes);
  auto to = folder->create_file("to", kBytes);
  REQUIRE((from.has_value() && to.has_value()));
  const auto put = [&](std::uint64_t offset, const Bytes& bytes) {
    const iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
    must((*from)->write(offset, std::span(&piece, 1)));
  };
  put(4096, pattern(2 * kMiB + 512, 2));
  put(kBytes - 512, pattern(512, 3));
  const std::uint64_t used = host.used_bytes();
  must(copy_sparse(**from, **to));
  CHECK(host.used_bytes() == 2 * used);
  Bytes was(kBytes);
  Bytes is(kBytes);
  must((*from)->read(0, was));
  must((*to)->read(0, is));
  CHECK((is == was));
}

TEST_CASE("the checkpoint of a lazy disk is durable, and a disk opened as lazy can begin to sync") {
  TempFolder temp;
  const DiskBase base = make_base(temp, kBaseBytes);
  const auto dir = temp.path() / "lazy";
  DiskSpec spec{base, kDeviceBytes, kMiB, Durability::kLazy};
  auto disk = must(LayeredDisk::create(dir, spec));
  write_at(*disk, 0, pattern(8192, 2));
  REQUIRE(disk->freeze().has_value());
  must(disk->export_frozen(temp.path() / "checkpoint"));
  auto copy = must(LayeredDisk::create_from(temp.path() / "copy", temp.path() / "checkpoint", spec));
  write_at(*copy, 8192, pattern(8192, 3));
  must(copy->flush());
  copy.reset();
  copy = must(LayeredDisk::open(temp.path() / "copy", base, Durability::kLazy));
  copy->start_syncing();
  must(LayeredDisk::sync_files(temp.path() / "copy"));
  CHECK(read_at(*copy, 0, 8192) == pattern(8192, 2));
  CHECK(read_at(*copy, 8192, 8192) == pattern(8192, 3));
}

}  // namespace tl::storage::test
