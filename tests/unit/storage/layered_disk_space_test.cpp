// SPDX-License-Identifier: Apache-2.0
#include <sys/mount.h>

#include "runtime/storage/ext4_condition.hpp"
#include "runtime/storage/ext4_journal.hpp"
#include "runtime/storage/ext4_volume.hpp"
#include "runtime/storage/layered_disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/layered_disk_simulation.hpp"
#include "tests/unit/storage/layered_disk_support.hpp"

namespace tl::storage::test {
namespace {

constexpr std::uint64_t kDeviceBytes = 64 * kMiB;

struct Fixture {
  explicit Fixture(std::uint64_t quota) : quota_bytes(quota) {}

  std::uint64_t quota_bytes;
  TempFolder temp;
  DiskBase base = make_base(temp, 8192);
  std::filesystem::path dir = temp.path() / "disk";
  std::unique_ptr<LayeredDisk> disk = must(LayeredDisk::create(dir, {base, kDeviceBytes, quota_bytes}));

  [[nodiscard]] std::filesystem::path data() const { return disk_files(dir, ".data").back(); }
};

void check_refused_for_space(const Result<void>& done) {
  REQUIRE(!done.has_value());
  CHECK(done.error().code == ErrorCode::kHostLacks);
}

// A tmpfs of its own; needs root.
class SmallFileSystem {
 public:
  explicit SmallFileSystem(const std::filesystem::path& at) : at_(at) {
    std::filesystem::create_directory(at);
    mounted_ = ::mount("tl-test", at.c_str(), "tmpfs", 0, "size=18m") == 0;
  }
  ~SmallFileSystem() {
    if (mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;
  [[nodiscard]] bool is_mounted() const { return mounted_; }

 private:
  std::filesystem::path at_;
  bool mounted_ = false;
};

}  // namespace

TEST_CASE("a discard gives the host its space back, but only once it is durable") {
  Fixture f(64 * kMiB);
  write_at(*f.disk, 0, pattern(8 * kMiB, 2));
  must(f.disk->flush());
  const std::uint64_t full = allocated_bytes(f.data());
  CHECK(full >= 8 * kMiB);
  must(f.disk->discard(1 * kMiB, 6 * kMiB));
  CHECK(allocated_bytes(f.data()) == full);
  CHECK(f.disk->held_bytes() == 8 * kMiB);
  must(f.disk->flush());
  CHECK(allocated_bytes(f.data()) <= 3 * kMiB);
  CHECK(f.disk->held_bytes() == 2 * kMiB);
  CHECK(read_at(*f.disk, 1 * kMiB, 6 * kMiB) == filled(6 * kMiB, 0));
  CHECK(read_at(*f.disk, 0, kMiB).front() != std::byte{0});
}

TEST_CASE("a discard that was durable when the process died gives its space back at the next opening") {
  TempFolder temp;
  const DiskBase base = make_base(temp, 8192);
  for (std::uint64_t steps = 0; steps < 6; ++steps) {
    SimulatedHost host(1);
    auto disk = must(LayeredDisk::create(host.open_folder(), {base, kDeviceBytes, kMiB}));
    must(disk->write(0, pattern(64 * kKiB, 2)));
    must(disk->flush());
    const std::uint64_t before = host.used_bytes();
    must(disk->discard(0, 64 * kKiB));
    host.die_after(steps);
    [[maybe_unused]] auto ignored = disk->flush();
    host.come_back_after_kill();
    disk.reset();
    disk = must(LayeredDisk::open(host.open_folder(), base));
    const bool discarded = read_at(*disk, 0, 512) == filled(512, 0);
    if (steps > 0) CHECK(discarded);
    CHECK(host.used_bytes() == (discarded ? before - 64 * kKiB : before));
    CHECK(disk->held_bytes() == (discarded ? 0 : 64 * kKiB));
  }
}

TEST_CASE("space of writes that were lost in a crash is found at the next opening") {
  Fixture f(64 * kMiB);
  write_at(*f.disk, 4 * kMiB, pattern(4096, 2));
  must(f.disk->flush());
  write_at(*f.disk, 8 * kMiB, pattern(4 * kMiB, 3));
  CHECK(allocated_bytes(f.data()) >= 4 * kMiB);
  f.disk.reset();
  f.disk = must(LayeredDisk::open(f.dir, f.base));
  CHECK(allocated_bytes(f.data()) <= 64 * kKiB);
  CHECK(read_at(*f.disk, 4 * kMiB, 4096) == pattern(4096, 2));
}

TEST_CASE("writes beyond the quota are refused and the disk goes on") {
  Fixture f(1 * kMiB);
  write_at(*f.disk, 0, pattern(1 * kMiB, 2));
  const auto refused = f.disk->write(2 * kMiB, pattern(4096, 3));
  check_refused_for_space(refused);
  CHECK(refused.error().message.find("disk quota of 1 MiB") != std::string::npos);
  check_refused_for_space(f.disk->write(kMiB - 4096, pattern(8192, 3)));
  CHECK(read_at(*f.disk, 0, kMiB) == pattern(1 * kMiB, 2));
  CHECK(read_at(*f.disk, 2 * kMiB, 4096) == filled(4096, 0));

  SECTION("what is held can be written over") {
    write_at(*f.disk, 4096, pattern(64 * kKiB, 4));
    CHECK(read_at(*f.disk, 4096, 64 * kKiB) == pattern(64 * kKiB, 4));
  }
  SECTION("what is discarded can be used at once, without a flush of the guest's") {
    must(f.disk->discard(0, 64 * kKiB));
    write_at(*f.disk, 2 * kMiB, pattern(64 * kKiB, 3));
    check_refused_for_space(f.disk->write(4 * kMiB, pattern(4096, 3)));
    CHECK(read_at(*f.disk, 2 * kMiB, 64 * kKiB) == pattern(64 * kKiB, 3));
    CHECK(f.disk->held_bytes() == kMiB);
  }
  SECTION("frozen layers count") {
    REQUIRE(f.disk->freeze().has_value());
    check_refused_for_space(f.disk->write(0, pattern(4096, 3)));
    must(f.disk->discard(0, kMiB));
    CHECK(read_at(*f.disk, 0, kMiB) == filled(kMiB, 0));
  }
  SECTION("the quota holds after opening again") {
    must(f.disk->flush());
    f.disk.reset();
    f.disk = must(LayeredDisk::open(f.dir, f.base));
    check_refused_for_space(f.disk->write(2 * kMiB, pattern(4096, 3)));
  }
}

TEST_CASE("a full host refuses writes, keeps what was there, and serves again when there is space") {
  TempFolder temp;
  const DiskBase base = make_base(temp, 8192);
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    SimulatedHost host(seed);
    auto disk = must(LayeredDisk::create(host.open_folder(), {base, kDeviceBytes, kDeviceBytes}));
    Random random(seed);
    write_at(*disk, 0, pattern(128 * kKiB, 2));
    if (seed % 2 == 0) must(disk->flush());
    host.set_capacity(host.used_bytes() + below(random, 64) * 512);
    const std::uint64_t used = host.used_bytes();
    check_refused_for_space(disk->write(256 * kKiB, pattern(128 * kKiB, 3)));
    CHECK(host.used_bytes() == used);
    check_refused_for_space(disk->write(64 * kKiB, pattern(128 * kKiB, 3)));
    CHECK(read_at(*disk, 256 * kKiB, 128 * kKiB) == filled(128 * kKiB, 0));
    CHECK(read_at(*disk, 128 * kKiB, 64 * kKiB) == filled(64 * kKiB, 0));
    must(disk->flush());
    must(disk->discard(0, 128 * kKiB));
    write_at(*disk, 256 * kKiB, pattern(64 * kKiB, 3));
    host.set_capacity(SimulatedHost::kForever);
    write_at(*disk, 0, pattern(1 * kMiB, 4));
    must(disk->flush());
    host.come_back_after_power_failure();
    disk.reset();
    disk = must(LayeredDisk::open(host.open_folder(), base));
    CHECK(read_at(*disk, 0, 1 * kMiB) == pattern(1 * kMiB, 4));
  }
}

TEST_CASE("a really full file system refuses writes and serves again when there is space") {
  TempFolder temp;
  SmallFileSystem small(temp.path() / "small");
  if (!small.is_mounted()) {
    WARN("skipped: mounting a small file system needs root");
    return;
  }
  const DiskBase base = make_base(temp, 8192);
  auto disk = must(LayeredDisk::create(temp.path() / "small/disk", {base, kDeviceBytes, kDeviceBytes}));
  write_at(*disk, 0, pattern(kMiB, 2));
  must(disk->flush());
  check_refused_for_space(disk->write(4 * kMiB, pattern(2 * kMiB, 3)));
  must(disk->flush());
  CHECK(read_at(*disk, 0, kMiB) == pattern(kMiB, 2));
  CHECK(read_at(*disk, 4 * kMiB, 4096) == filled(4096, 0));
  must(disk->discard(0, kMiB));
  write_at(*disk, 4 * kMiB, pattern(kMiB, 3));
  must(disk->flush());
  CHECK(read_at(*disk, 4 * kMiB, kMiB) == pattern(kMiB, 3));

  // Then to the last page, with writes that may.
  std::uint64_t written = 0;
  Result<void> done;
  while (done) {
    done = disk->write(8 * kMiB + written, pattern(64 * kKiB, 4));
    if (done) written += 64 * kKiB;
  }
  check_refused_for_space(done);
  CHECK(written >= HostHeadroom::kBytes - 128 * kKiB);
  must(disk->flush());
  CHECK(read_at(*disk, 8 * kMiB + written - 64 * kKiB, 64 * kKiB) == pattern(64 * kKiB, 4));
  must(disk->discard(8 * kMiB, 4 * kMiB));
  write_at(*disk, 40 * kMiB, pattern(64 * kKiB, 5));
  must(disk->flush());
}

TEST_CASE("the last of the host's space is for small writes and for the journal") {
  TempFolder temp;
  const std::string image = (temp.path() / "image").string();
  auto volume = Ext4Volume::create(image, 64, "test");
  REQUIRE(volume.has_value());
  must(volume->close());
  const DiskBase base{image, "sha256:1"};
  const auto opened = base.open();
  REQUIRE(opened.has_value());
  std::vector<std::byte> beginning(Ext4Condition::kBytes);
  must(opened->file->read(0, beginning));
  const auto journal = ext4_journal(beginning);
  std::uint64_t journal_bytes = 0;
  for (const auto& range : journal) journal_bytes += range.end - range.begin;
  CHECK(journal_bytes == 4 * kMiB);

  SimulatedHost host(1);
  host.tell_free_space();
  auto disk = must(LayeredDisk::create(host.open_folder(), {base, kDeviceBytes, kDeviceBytes}));
  host.set_capacity(host.used_bytes() + HostHeadroom::kBytes + 2 * kMiB);
  constexpr std::uint64_t kSomewhere = 32 * kMiB;
  write_at(*disk, kSomewhere, pattern(kMiB, 2));
  write_at(*disk, kSomewhere, pattern(kMiB, 3));
  check_refused_for_space(disk->write(kSomewhere + kMiB, pattern(2 * kMiB, 2)));
  must(disk->flush());
  check_refused_for_space(disk->write(kSomewhere + kMiB, pattern(2 * kMiB, 2)));
  write_at(*disk, kSomewhere, pattern(kMiB, 4));  // it has that already
  for (const auto& range : journal) write_at(*disk, range.begin, pattern(range.end - range.begin, 5));
  check_refused_for_space(disk->write(journal.back().end - 4096, pattern(kMiB, 5)));
  for (std::uint64_t at = 0; at < kMiB; at += 64 * kKiB)
    write_at(*disk, 40 * kMiB + at, pattern(64 * kKiB, 6));
  must(disk->flush());
  CHECK(read_at(*disk, kSomewhere, kMiB) == pattern(kMiB, 4));
  CHECK(read_at(*disk, kSomewhere + kMiB, kMiB) == filled(kMiB, 0));
  for (const auto& range : journal)
    CHECK(read_at(*disk, range.begin, range.end - range.begin) == pattern(range.end - range.begin, 5));
  CHECK(read_at(*disk, 40 * kMiB, 64 * kKiB) == pattern(64 * kKiB, 6));
  host.set_capacity(SimulatedHost::kForever);
  write_at(*disk, kSomewhere + kMiB, pattern(2 * kMiB, 2));
}

TEST_CASE("what says nothing of a journal has none") {
  std::vector<std::byte> beginning(Ext4Condition::kBytes);
  CHECK(ext4_journal(beginning).empty());
  Random random(1);
  for (int i = 0; i < 1000; ++i) {
    for (std::byte& byte : beginning) byte = static_cast<std::byte>(below(random, 256));
    beginning[0x438] = std::byte{0x53};
    beginning[0x439] = std::byte{0xef};
    beginning[0x418] = std::byte{2};
    beginning[0x4fd] = std::byte{1};
    beginning[0x50c] = std::byte{0x0a};
    beginning[0x50d] = std::byte{0xf3};
    beginning[0x512] = std::byte{0};
    beginning[0x513] = std::byte{0};
    const auto ranges = ext4_journal(beginning);
    CHECK(ranges.size() <= 4);
    for (const auto& range : ranges) CHECK(range.begin <= range.end);
  }
}

TEST_CASE("a disk that the host has no space for is not created") {
  TempFolder temp;
  const DiskBase base = make_base(temp, 8192);
  SimulatedHost host(1);
  host.set_capacity(2048);
  auto disk = LayeredDisk::create(host.open_folder(), {base, kDeviceBytes, kDeviceBytes});
  REQUIRE(!disk.has_value());
  CHECK(disk.error().code == ErrorCode::kHostLacks);
  CHECK(host.used_bytes() == 0);
  host.set_capacity(SimulatedHost::kForever);
  CHECK(LayeredDisk::create(host.open_folder(), {base, kDeviceBytes, kDeviceBytes}).has_value());
}

TEST_CASE("many separate discards are given back a part at a time, and at once where space is needed") {
  constexpr std::uint64_t kCount = 4200;
  TempFolder temp;
  const DiskBase base = make_base(temp, 4096);
  SimulatedHost host(1);
  auto disk = must(LayeredDisk::create(host.open_folder(), {base, kDeviceBytes, kCount * 4096}));
  for (std::uint64_t i = 0; i < kCount; ++i) write_at(*disk, i * 8192, filled(4096, 1));
  must(disk->flush());
  for (std::uint64_t i = 0; i < kCount; ++i) must(disk->discard(i * 8192, 4096));
  const std::uint64_t held = disk->held_bytes();
  CHECK(held < kCount * 4096);
  must(disk->flush());
  CHECK(disk->held_bytes() < held);
  SECTION("by flushes") {
    for (int i = 0; i < 100; ++i) must(disk->flush());
  }
  SECTION("by a write that needs all of it") {
    write_at(*disk, kCount * 8192, filled(kCount * 4096, 1));
    must(disk->discard(kCount * 8192, kCount * 4096));
    must(disk->flush());
  }
  SECTION("after opening again") {
    disk.reset();
    disk = must(LayeredDisk::open(host.open_folder(), base));
    for (int i = 0; i < 100; ++i) must(disk->flush());
  }
  CHECK(disk->held_bytes() == 0);
  CHECK(host.used_bytes() <= 4 * 4096);
}

TEST_CASE("discarding what nobody has takes no room in the map") {
  Fixture f(64 * kMiB);
  must(f.disk->discard(8192, kDeviceBytes - 8192));
  must(f.disk->flush());
  CHECK(allocated_bytes(disk_files(f.dir, ".map").front()) <= 4096);
}

}  // namespace tl::storage::test
