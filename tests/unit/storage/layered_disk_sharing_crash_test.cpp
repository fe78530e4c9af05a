// SPDX-License-Identifier: Apache-2.0
// The host dies at every step of an export, of a disk's making from one, and of a flattening. None of them
// changes what a disk reads as, so there is one right answer after each.
#include <functional>

#include "runtime/storage/layered_disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/layered_disk_simulation.hpp"
#include "tests/unit/storage/layered_disk_support.hpp"

namespace tl::storage::test {
namespace {

constexpr std::uint64_t kBaseBytes = 40 * kKiB;
constexpr std::uint64_t kDeviceBytes = 256 * kKiB;

enum class Crash { kKill, kPowerFailure };

// Three frozen layers and a delta, all flushed.
struct Machine {
  explicit Machine(std::uint64_t seed) : host(seed) {
    for (std::uint64_t i = 0; i < 3; ++i) {
      write_at(*disk, i * 8192, pattern(24 * kKiB, i + 2));
      must(disk->discard(16 * kKiB + i * 4096, 4096));
      REQUIRE(disk->freeze().has_value());
    }
    write_at(*disk, 100 * kKiB, pattern(8192, 9));
    REQUIRE(disk->freeze().has_value());
    write_at(*disk, 200 * kKiB, pattern(512, 10));
    must(disk->discard(100 * kKiB, 512));
    must(disk->flush());
    flushed = read_at(*disk, 0, kDeviceBytes);
  }

  void crash(Crash how) {
    if (how == Crash::kKill) host.come_back_after_kill();
    if (how == Crash::kPowerFailure) host.come_back_after_power_failure();
  }
  void reopen_and_check() {
    disk.reset();
    disk = must(LayeredDisk::open(host.open_folder(), base));
    CHECK((read_at(*disk, 0, kDeviceBytes) == flushed));
  }
  Result<std::unique_ptr<LayeredDisk>> make_copy() {
    const auto frozen = host.open_folder("checkpoint");
    return LayeredDisk::create_from(host.open_folder("copy"), *frozen, spec);
  }
  void check_copy(LayeredDisk& copy) const { CHECK((read_at(copy, 0, kDeviceBytes) == at_checkpoint)); }
  void export_first() {
    REQUIRE(disk->freeze().has_value());
    must(disk->export_frozen(*host.open_folder("checkpoint")));
    at_checkpoint = flushed;
  }

  TempFolder temp;
  DiskBase base = make_base(temp, kBaseBytes);
  DiskSpec spec{base, kDeviceBytes, kMiB};
  SimulatedHost host;
  std::unique_ptr<LayeredDisk> disk = must(LayeredDisk::create(host.open_folder(), spec));
  Bytes flushed;
  Bytes at_checkpoint;
};

// Calls `at_step` for more and more steps until it says that the host has outlived all of them.
void at_every_step(const std::function<bool(Crash, std::uint64_t seed, std::uint64_t steps)>& at_step) {
  for (const Crash how : {Crash::kKill, Crash::kPowerFailure}) {
    // A kill loses nothing that chance could choose.
    const std::uint64_t seeds = how == Crash::kKill ? 1 : 3;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      std::uint64_t steps = 0;
      bool outlived = false;
      for (; !outlived; ++steps) {
        INFO("seed " << seed << ", step " << steps << (how == Crash::kKill ? ", kill" : ", power failure"));
        REQUIRE(steps < 500);
        outlived = at_step(how, seed, steps);
      }
      CHECK(steps > 5);
    }
  }
}

// What the guest may do while its layers are merged, without changing what it reads.
void write_the_same(Machine& machine) {
  const auto part = std::span(std::as_const(machine.flushed)).subspan(8192, 16 * kKiB);
  [[maybe_unused]] auto ignored = machine.disk->write(8192, part);
  [[maybe_unused]] auto frozen = machine.disk->freeze();
  ignored = machine.disk->write(16 * kKiB, part.subspan(8192, 4096));
}

}  // namespace

TEST_CASE("an export that a crash interrupts is half-made or a whole frozen disk") {
  at_every_step([](Crash how, std::uint64_t seed, std::uint64_t steps) {
    Machine machine(seed);
    REQUIRE(machine.disk->freeze().has_value());
    machine.at_checkpoint = machine.flushed;
    machine.host.die_after(steps);
    const bool exported = machine.disk->export_frozen(*machine.host.open_folder("checkpoint")).has_value();
    CHECK(exported == !machine.host.is_dead());
    machine.crash(how);
    machine.reopen_and_check();
    auto copy = machine.make_copy();
    if (copy) {
      machine.check_copy(**copy);
    } else {
      CHECK(!exported);
      CHECK(copy.error().message.find("half-made") != std::string::npos);
      CHECK(machine.host.names_in("copy").empty());
    }
    return exported;
  });
}

TEST_CASE("an export syncs every file, which a lazy disk never did") {
  Machine machine(1);
  const std::uint64_t syncs = machine.host.syncs();
  must(machine.disk->export_frozen(*machine.host.open_folder("checkpoint")));
  CHECK(machine.host.syncs() == syncs + 2 * 4);
}

TEST_CASE("a disk whose making from a frozen one a crash interrupts is half-made or whole") {
  at_every_step([](Crash how, std::uint64_t seed, std::uint64_t steps) {
    Machine machine(seed);
    machine.export_first();
    machine.host.die_after(steps);
    const bool made = machine.make_copy().has_value();
    CHECK(made == !machine.host.is_dead());
    machine.crash(how);
    auto copy = LayeredDisk::open(machine.host.open_folder("copy"), machine.base);
    if (!copy) {
      CHECK(!made);
      CHECK(copy.error().message.find("half-made") != std::string::npos);
      copy = machine.make_copy();
    }
    machine.check_copy(*must(std::move(copy)));
    machine.reopen_and_check();
    return made;
  });
}

TEST_CASE("a disk that has no space to be made from a frozen one is none") {
  Machine machine(1);
  machine.export_first();
  machine.host.set_capacity(machine.host.used_bytes() + 1024);
  auto refused = machine.make_copy();
  REQUIRE(!refused.has_value());
  CHECK(refused.error().code == ErrorCode::kHostLacks);
  CHECK(machine.host.names_in("copy").empty());
  machine.host.set_capacity(SimulatedHost::kForever);
  machine.check_copy(*must(machine.make_copy()));
}

TEST_CASE("a crash at any step of a flattening leaves the disk and its checkpoint what they were") {
  at_every_step([](Crash how, std::uint64_t seed, std::uint64_t steps) {
    Machine machine(seed);
    machine.export_first();
    machine.host.die_after(steps);
    const bool flattened = machine.disk->flatten().has_value();
    const bool died = machine.host.is_dead();  // it may, of removing the old files, after all is done
    machine.crash(how);
    machine.reopen_and_check();
    const std::size_t names = machine.host.names_in("disk").size();
    CHECK((names == 5 || (names == 13 && !flattened)));  // nothing is left over
    must(machine.disk->flatten());
    machine.reopen_and_check();
    machine.check_copy(*must(machine.make_copy()));
    return !died;
  });
}

TEST_CASE("a crash at any step of a merge beside which the guest writes and freezes changes nothing") {
  at_every_step([](Crash how, std::uint64_t seed, std::uint64_t steps) {
    Machine machine(seed);
    machine.host.die_after(steps);
    auto plan = machine.disk->plan_flattening();
    write_the_same(machine);
    if (plan) {
      [[maybe_unused]] auto merged = (*plan)->merge();
      write_the_same(machine);
      [[maybe_unused]] auto installed = machine.disk->install(*std::move(plan));
      write_the_same(machine);
    }
    const bool died = machine.host.is_dead();
    machine.crash(how);
    machine.reopen_and_check();
    must(machine.disk->flatten());
    machine.reopen_and_check();
    return !died;
  });
}

TEST_CASE("a sync that fails during a flattening leaves the disk as it was, and in use") {
  Machine machine(1);
  auto plan = machine.disk->plan_flattening();
  REQUIRE(plan.has_value());
  const bool in_merge = GENERATE(false, true);
  if (in_merge) machine.host.fail_next_sync();
  const bool merged = (*plan)->merge().has_value();
  CHECK(merged == !in_merge);
  if (!in_merge) machine.host.fail_next_sync();
  const auto installed = machine.disk->install(*std::move(plan));
  CHECK(!installed);
  CHECK((read_at(*machine.disk, 0, kDeviceBytes) == machine.flushed));
  must(machine.disk->flush());
  must(machine.disk->flatten());
  machine.crash(Crash::kPowerFailure);
  machine.reopen_and_check();
}

}  // namespace tl::storage::test
