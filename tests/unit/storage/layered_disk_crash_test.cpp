// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <map>

#include "runtime/storage/layered_disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/layered_disk_simulation.hpp"
#include "tests/unit/storage/layered_disk_support.hpp"

namespace tl::storage::test {
namespace {

constexpr std::uint64_t kSectorBytes = BlockDevice::kSectorBytes;
constexpr std::uint64_t kDeviceBytes = 66 * kMiB;  // two map pages
constexpr std::uint64_t kBaseBytes = 37 * kSectorBytes;
// The requests go to these sectors: the image's part and a bit more, and both sides of the border of the map
// pages.
constexpr std::uint64_t kWindowSectors = 64;
constexpr std::uint64_t kWindows[] = {0, kClustersPerMapPage * 8 - kWindowSectors / 2};

// What each sector may be. A sector's contents are one number, repeated; 0 is zeroes.
class Expectation {
 public:
  Expectation() {
    for (const std::uint64_t window : kWindows)
      for (std::uint64_t i = window; i < window + kWindowSectors; ++i) allowed_[i] = {0};
    for (std::uint64_t i = 0; i < kBaseBytes / kSectorBytes; ++i) allowed_[i] = {1000 + i};
  }
  void may_become(std::uint64_t first, std::uint64_t count, std::uint64_t value) {
    for (std::uint64_t i = first; i < first + count; ++i) allowed_[i].push_back(value);
  }
  void is_now(std::uint64_t sector, std::uint64_t value) { allowed_[sector] = {value}; }
  // The last of each is what the disk reads as, and now what it keeps.
  void flushed() {
    for (auto& [sector, values] : allowed_) values = {values.back()};
  }
  [[nodiscard]] const std::map<std::uint64_t, std::vector<std::uint64_t>>& sectors() const {
    return allowed_;
  }

 private:
  std::map<std::uint64_t, std::vector<std::uint64_t>> allowed_;
};

Bytes sectors_of(std::uint64_t value, std::uint64_t count) {
  Bytes bytes(count * kSectorBytes);
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(value)) std::memcpy(&bytes[i], &value, sizeof(value));
  return bytes;
}

// The number a sector consists of; -1 when it is not of one piece.
std::uint64_t value_of(std::span<const std::byte> sector) {
  std::uint64_t value = 0;
  std::memcpy(&value, sector.data(), sizeof(value));
  const Bytes whole = sectors_of(value, 1);
  return std::equal(whole.begin(), whole.end(), sector.begin()) ? value : ~std::uint64_t{0};
}

struct Machine {
  explicit Machine(std::uint64_t seed) : random(seed), host(seed + 1) {
    Bytes image;
    for (std::uint64_t i = 0; i < kBaseBytes / kSectorBytes; ++i) {
      const Bytes sector = sectors_of(1000 + i, 1);
      image.insert(image.end(), sector.begin(), sector.end());
    }
    write_file(base.path, image);
    disk = must(LayeredDisk::create(host.open_folder(), {base, kDeviceBytes, 1 * kMiB}));
  }

  // One request, chosen by the seed; false when the host died of it.
  bool request() {
    const std::uint64_t window = kWindows[below(random, 2)];
    const std::uint64_t first = window + below(random, kWindowSectors);
    const std::uint64_t count =
        1 + below(random, std::min<std::uint64_t>(window + kWindowSectors - first, 24));
    const std::uint64_t kind = below(random, 10);
    Result<void> done;
    if (kind < 5) {
      const std::uint64_t value = ++last_value;
      expected.may_become(first, count, value);
      done = disk->write(first * kSectorBytes, sectors_of(value, count));
    } else if (kind < 7) {
      expected.may_become(first, count, 0);
      done = disk->discard(first * kSectorBytes, count * kSectorBytes);
    } else if (kind == 9 && below(random, 4) == 0) {
      auto frozen = disk->freeze();
      if (frozen) expected.flushed();
      if (!frozen) done = frozen.error();
      if (frozen && below(random, 2) == 0) done = disk->flatten();
    } else {
      done = disk->flush();
      if (done) expected.flushed();
    }
    if (!done && !host.is_dead()) FAIL(done.error().message);
    return !host.is_dead();
  }

  void reopen() {
    disk.reset();
    disk = must(LayeredDisk::open(host.open_folder(), base));
  }

  // Every sector is something it may be; from now on it may be nothing else.
  void check_contents() {
    for (const std::uint64_t window : kWindows) {
      const Bytes bytes = read_at(*disk, window * kSectorBytes, kWindowSectors * kSectorBytes);
      for (std::uint64_t i = 0; i < kWindowSectors; ++i) {
        const std::uint64_t value = value_of(std::span(bytes).subspan(i * kSectorBytes, kSectorBytes));
        const auto& allowed = expected.sectors().at(window + i);
        if (std::find(allowed.begin(), allowed.end(), value) == allowed.end())
          FAIL("sector " << window + i << " is " << value << " and may be "
                         << Catch::StringMaker<std::vector<std::uint64_t>>::convert(allowed));
        expected.is_now(window + i, value);
      }
    }
  }

  TempFolder temp;
  DiskBase base{temp.path() / "base.img", "sha256:0001"};
  Random random;
  SimulatedHost host;
  Expectation expected;
  std::uint64_t last_value = 0;
  std::unique_ptr<LayeredDisk> disk;
};

enum class Crash { kKill, kPowerFailure };

void crash_and_check(Machine& machine, Crash crash) {
  if (crash == Crash::kKill) machine.host.come_back_after_kill();
  if (crash == Crash::kPowerFailure) machine.host.come_back_after_power_failure();
  machine.reopen();
  machine.check_contents();
}

// Runs until the host dies at step `steps` and shows the disk old or new everywhere; then goes on, to see
// that what was found is what is kept, and dies again at once.
void die_at(std::uint64_t seed, std::uint64_t steps, Crash crash) {
  INFO("seed " << seed << ", step " << steps << ", " << (crash == Crash::kKill ? "kill" : "power failure"));
  Machine machine(seed);
  machine.host.die_after(steps);
  while (machine.request()) continue;
  crash_and_check(machine, crash);

  machine.host.die_after(below(machine.random, 12));
  while (machine.request()) continue;
  // A killed process leaves unsynced writes, which the power may take yet.
  crash_and_check(machine, Crash::kPowerFailure);
}

}  // namespace

TEST_CASE("a power failure at any step leaves every sector old or new and keeps what was flushed") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed)
    for (std::uint64_t steps = 0; steps < 60; ++steps) die_at(seed, steps, Crash::kPowerFailure);
}

TEST_CASE("a kill at any step leaves every sector old or new and keeps what was flushed") {
  for (std::uint64_t seed = 101; seed <= 106; ++seed)
    for (std::uint64_t steps = 0; steps < 60; ++steps) die_at(seed, steps, Crash::kKill);
}

TEST_CASE("a sandbox that crashes again and again keeps what it flushed") {
  for (std::uint64_t seed = 201; seed <= 206; ++seed) {
    INFO("seed " << seed);
    Machine machine(seed);
    for (int life = 0; life < 40; ++life) {
      machine.host.die_after(below(machine.random, 40));
      while (machine.request()) continue;
      crash_and_check(machine, below(machine.random, 2) == 0 ? Crash::kKill : Crash::kPowerFailure);
    }
  }
}

TEST_CASE("a create that the power interrupts is half-made or a whole disk") {
  for (std::uint64_t steps = 0; steps < 12; ++steps) {
    TempFolder temp;
    const DiskBase base = make_base(temp, 4096);
    SimulatedHost host(steps);
    host.die_after(steps);
    const bool created = LayeredDisk::create(host.open_folder(), {base, kMiB, kMiB}).has_value();
    CHECK(created == !host.is_dead());
    host.come_back_after_power_failure();
    auto opened = LayeredDisk::open(host.open_folder(), base);
    if (opened) {
      CHECK(read_at(**opened, 0, 4096) == pattern(4096, 1));
    } else {
      CHECK(opened.error().message.find("half-made") != std::string::npos);
      CHECK(LayeredDisk::create(host.open_folder(), {base, kMiB, kMiB}).has_value());
    }
  }
}

TEST_CASE("after a failed fdatasync nothing is promised any more but reading goes on") {
  Machine machine(1);
  must(machine.disk->write(0, sectors_of(7, 8)));
  machine.host.fail_next_sync();
  CHECK(!machine.disk->flush().has_value());
  CHECK(!machine.disk->flush().has_value());
  CHECK(!machine.disk->write(0, sectors_of(8, 8)).has_value());
  CHECK(!machine.disk->discard(0, 4096).has_value());
  CHECK(!machine.disk->freeze().has_value());
  CHECK(read_at(*machine.disk, 0, 4096) == sectors_of(7, 8));
  machine.host.come_back_after_power_failure();
  machine.reopen();
  CHECK(value_of(read_at(*machine.disk, 0, 512)) == 1000);
}

TEST_CASE("a flush with nothing to do asks nothing of the host") {
  Machine machine(1);
  must(machine.disk->write(0, sectors_of(7, 8)));
  must(machine.disk->flush());
  const std::uint64_t syncs = machine.host.syncs();
  must(machine.disk->flush());
  read_at(*machine.disk, 0, kMiB);
  must(machine.disk->flush());
  CHECK(machine.host.syncs() == syncs);
  must(machine.disk->write(0, sectors_of(8, 8)));
  must(machine.disk->flush());
  CHECK(machine.host.syncs() == syncs + 1);  // the map knew the cluster
}

}  // namespace tl::storage::test
