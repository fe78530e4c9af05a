// SPDX-License-Identifier: Apache-2.0
// Real guests that go on in the very process that was kept. Skipped without a kernel, and without QEMU.
#include <filesystem>
#include <fstream>
#include <thread>

#include "common/block_device.hpp"
#include "runtime/machine/probe/tcg_probe.hpp"
#include "runtime/storage/nbd_server.hpp"
#include "tests/unit/machine/saving_guest.hpp"

using namespace tl;
using namespace tl::machine;
using namespace tl::machine::test;

namespace {

// Saves a guest that has answered once, and keeps its process.
Saved kept_guest(const std::string& kernel, const std::filesystem::path& image, unsigned vcpus = 1) {
  SavingGuest guest;
  guest.boot(kernel, {.vcpus = vcpus});
  REQUIRE(guest.ask().bytes == 1);
  Saved saved = guest.save();
  const auto kept = run(guest.context, guest.machine->keep_process(image));
  INFO((kept ? "" : kept.error().message));
  REQUIRE(kept);
  // It goes on itself, too.
  REQUIRE(run(guest.context, guest.machine->resume()));
  CHECK(guest.ask().bytes == 2);
  guest.kill();
  return saved;
}

}  // namespace

TEST_CASE("guests go on in the process that was kept, are saved there, and go on in another") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  const TempFolder folder;
  const auto image = folder.path / "emulator";
  const Saved saved = kept_guest(*kernel, image);
  for (int round = 0; round < 2; ++round) {
    SavingGuest guest;
    REQUIRE(guest.go_on(saved, {.process_image = image}));
    CHECK(guest.ask().bytes == 2);
    CHECK(guest.ask().bytes == 3);
    CHECK(guest.machine->memory_used_bytes() > (1 << 20));
    const Saved again = guest.save();
    REQUIRE(run(guest.context, guest.machine->resume()));
    CHECK(guest.ask().bytes == 4);
    CHECK(guest.kill().cause == MachineExit::Cause::kKilled);
    SavingGuest other;
    REQUIRE(other.go_on(again));
    CHECK(other.ask().bytes == 4);
    other.kill();
  }
}

TEST_CASE(
    "a guest of two processors goes on in the process that was kept, beside another of the same image") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  const TempFolder folder;
  const auto image = folder.path / "emulator";
  const Saved saved = kept_guest(*kernel, image, 2);
  SavingGuest one;
  SavingGuest other;
  REQUIRE(one.go_on(saved, {.vcpus = 2, .process_image = image}));
  REQUIRE(other.go_on(saved, {.vcpus = 2, .process_image = image}));
  std::filesystem::remove(image);
  for (std::uint64_t bytes = 2; bytes < 6; ++bytes) {
    CHECK(one.ask().bytes == bytes);
    CHECK(other.ask().bytes == bytes);
  }
  one.kill();
  CHECK(other.ask().bytes == 6);
  other.kill();
}

TEST_CASE("what is no process of this host is not gone on with, and nobody is left behind") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  const TempFolder folder;
  const auto image = folder.path / "emulator";
  const Saved saved = kept_guest(*kernel, image);
  const auto nothing = folder.path / "nothing";
  std::ofstream(nothing) << "nothing";
  {
    SavingGuest guest;
    const auto refused = guest.go_on(saved, {.process_image = nothing});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.ends_with("the kept QEMU: it is no image of a process"));
  }
  {
    // It ends before it is what it was: another memory than it knows, in another place.
    SavingGuest guest;
    const auto refused = guest.go_on(saved, {.has_agent = false, .process_image = image});
    CHECK_FALSE(refused);
  }
  SavingGuest guest;
  REQUIRE(guest.go_on(saved, {.process_image = image}));
  CHECK(guest.ask().bytes == 2);
  guest.kill();
}

TEST_CASE("a process is kept only of a machine that is saved, and never over a file") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  const TempFolder folder;
  SavingGuest guest;
  guest.boot(*kernel);
  REQUIRE(guest.ask().bytes == 1);
  CHECK_FALSE(run(guest.context, guest.machine->keep_process(folder.path / "a")));
  REQUIRE(run(guest.context, guest.machine->pause()));
  CHECK_FALSE(run(guest.context, guest.machine->keep_process(folder.path / "a")));
  REQUIRE(run(guest.context, guest.machine->save()));
  CHECK_FALSE(run(guest.context, guest.machine->keep_process(folder.path / "no folder" / "a")));
  CHECK(std::filesystem::is_empty(folder.path));
  REQUIRE(run(guest.context, guest.machine->keep_process(folder.path / "a")));
  CHECK_FALSE(run(guest.context, guest.machine->keep_process(folder.path / "a")));
  REQUIRE(run(guest.context, guest.machine->resume()));
  CHECK(guest.ask().bytes == 2);
  guest.kill();
}
