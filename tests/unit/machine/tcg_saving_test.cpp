// SPDX-License-Identifier: Apache-2.0
// Real guests that are saved and go on in another QEMU. Skipped without a kernel, and without QEMU.
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "common/io.hpp"
#include "runtime/machine/probe/tcg_probe.hpp"
#include "runtime/machine/tcg/saved_state.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/machine/saving_guest.hpp"

using namespace tl;
using namespace tl::machine;
using namespace tl::machine::test;
using Clock = std::chrono::steady_clock;

namespace {

// Saves a guest that has answered once.
Saved saved_guest(const std::string& kernel, unsigned vcpus = 1) {
  SavingGuest guest;
  guest.boot(kernel, {.vcpus = vcpus});
  REQUIRE(guest.ask().bytes == 1);
  Saved saved = guest.save();
  guest.kill();
  return saved;
}

}  // namespace

TEST_CASE("a saved guest goes on in another machine, its clock too, and is saved there once more") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  SavingGuest first;
  first.boot(*kernel);
  test::Count before = first.ask();
  CHECK(before.bytes == 1);
  auto asked = Clock::now();
  Saved saved = first.save();
  CHECK(first.kill().cause == MachineExit::Cause::kKilled);
  for (std::uint64_t round = 2; round <= 3; ++round) {
    SavingGuest next;
    REQUIRE(next.go_on(saved));
    const test::Count after = next.ask();
    const std::chrono::duration<double> passed = Clock::now() - asked;
    CHECK(after.bytes == round);
    CHECK(after.uptime() > before.uptime());
    CHECK(after.uptime() < before.uptime() + passed.count() + 0.1);
    before = after;
    asked = Clock::now();
    saved = next.save();
    next.kill();
  }
  CHECK(saved.state.size() < (1U << 20));
}

TEST_CASE("a guest that was saved can be resumed, and be saved again") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  SavingGuest guest;
  guest.boot(*kernel);
  for (std::uint64_t round = 1; round <= 3; ++round) {
    CHECK(guest.ask().bytes == round);
    const Saved saved = guest.save();
    const auto again = test::run(guest.context, guest.machine->save());
    REQUIRE(again);
    CHECK(*again == saved.state);
    REQUIRE(test::run(guest.context, guest.machine->resume()));
  }
  CHECK(guest.ask().bytes == 4);
}

TEST_CASE("a guest is paused, saved and resumed at once, a hundred times") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  SavingGuest guest;
  guest.boot(*kernel);
  REQUIRE(guest.ask().bytes == 1);
  for (int round = 0; round < 100; ++round) {
    INFO(round);
    REQUIRE(test::run(guest.context, guest.machine->pause()));
    REQUIRE(test::run(guest.context, guest.machine->save()));
    REQUIRE(test::run(guest.context, guest.machine->resume()));
  }
  CHECK(guest.ask().bytes == 2);
}

TEST_CASE("only a paused machine is saved") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  SavingGuest guest;
  guest.boot(*kernel);
  CHECK_FALSE(test::run(guest.context, guest.machine->save()));
  CHECK(guest.ask().bytes == 1);
  guest.kill();
  CHECK_FALSE(test::run(guest.context, guest.machine->save()));
}

TEST_CASE("two machines go on from one state at the same time") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  const Saved saved = saved_guest(*kernel);
  SavingGuest one;
  SavingGuest other;
  REQUIRE(one.go_on(saved));
  REQUIRE(other.go_on(saved));
  CHECK(one.ask().bytes == 2);
  CHECK(one.ask().bytes == 3);
  CHECK(other.ask().bytes == 2);
  CHECK(one.ask().bytes == 4);
}

TEST_CASE("a guest with several vCPUs goes on") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  const Saved saved = saved_guest(*kernel, 3);
  SavingGuest guest;
  REQUIRE(guest.go_on(saved, {.vcpus = 3}));
  CHECK(guest.ask().bytes == 2);
}

TEST_CASE("a guest goes on twenty times over") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  Saved saved = saved_guest(*kernel);
  for (std::uint64_t round = 2; round < 22; ++round) {
    SavingGuest guest;
    REQUIRE(guest.go_on(saved));
    REQUIRE(guest.ask().bytes == round);
    saved = guest.save();
  }
}

TEST_CASE("a question that is under way when the guest is paused is answered after it goes on") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  SavingGuest guest;
  guest.boot(*kernel);
  REQUIRE(guest.ask().bytes == 1);
  REQUIRE(test::run(guest.context, guest.machine->pause()));
  REQUIRE(::send(guest.agent.get(), "x", 1, MSG_NOSIGNAL) == 1);
  REQUIRE(test::run(guest.context, guest.machine->save()));
  const auto resumed = test::run(guest.context, guest.machine->resume());
  INFO((resumed ? "" : resumed.error().message));
  REQUIRE(resumed);
  CHECK(guest.answer().bytes == 2);
}

TEST_CASE("the guest finds the host's side of its port open, though it was closed when it was saved") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  SavingGuest guest;
  guest.boot(*kernel);
  REQUIRE(guest.ask().bytes == 1);
  guest.agent.reset();
  guest.context.restart();
  guest.context.run_for(std::chrono::milliseconds(100));
  const Saved saved = guest.save();
  guest.kill();
  SavingGuest next;
  REQUIRE(next.go_on(saved));
  CHECK(next.ask().bytes == 2);
}

TEST_CASE("the memory can be filled while QEMU starts") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  const Saved saved = saved_guest(*kernel);
  SavingGuest guest;
  MachineSpec spec;
  spec.saved_state = saved.state;
  int asked = 0;
  const auto fill = [&]() -> asio::awaitable<Result<void>> {
    ++asked;
    CHECK(guest.machine->pid() > 0);
    const UniqueFd contents = copy_of(saved.memory.get());
    std::vector<std::byte> bytes(std::size_t{kMemoryMib} << 20);
    REQUIRE(pread_exact(contents.get(), bytes, 0));
    co_return pwrite_all(guest.memory.get(), bytes, 0);
  };
  guest.make(std::move(spec), *make_guest_memory_file(std::uint64_t{kMemoryMib} << 20),
             {.memory_ready = fill});
  REQUIRE(test::run(guest.context, guest.machine->start()));
  CHECK(asked == 1);
  CHECK(guest.ask().bytes == 2);
  CHECK(guest.machine->memory_used_bytes() > std::uint64_t{kMemoryMib} << 20);
}

TEST_CASE("memory that cannot be filled fails the start at once, and leaves no QEMU") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  const Saved saved = saved_guest(*kernel);
  SavingGuest guest;
  const auto fail = []() -> asio::awaitable<Result<void>> {
    co_return Error{ErrorCode::kHostLacks, "no space", ""};
  };
  const auto started = guest.go_on(saved, {.memory_ready = fail});
  REQUIRE_FALSE(started);
  CHECK(started.error().message == "load the saved machine: no space");
  CHECK(started.error().code == ErrorCode::kHostLacks);
  CHECK(::kill(guest.machine->pid(), 0) != 0);
}

TEST_CASE("a state that is not whole, or of another QEMU or machine, is told in one sentence") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  const Saved saved = saved_guest(*kernel);
  const auto complaint = [&](std::vector<std::byte> state, Options options = {}) {
    SavingGuest guest;
    const auto started = guest.go_on({std::move(state), copy_of(saved.memory.get())}, std::move(options));
    REQUIRE_FALSE(started);
    CHECK(started.error().code == ErrorCode::kFailure);
    CHECK(started.error().message.find('\n') == std::string::npos);
    CHECK(::kill(guest.machine->pid(), 0) != 0);
    return started.error().message;
  };
  const SavedState state = *parse_saved_state(saved.state);
  CHECK("QEMU " + state.qemu_version == *qemu_fingerprint());

  auto cut = saved.state;
  cut.resize(cut.size() / 2);
  CHECK(complaint(cut) == "load the saved machine: the saved state of the machine is cut off");
  CHECK(complaint(serialize({"1.2.3", state.stream})).find(": the machine was saved by QEMU 1.2.3, and") !=
        std::string::npos);
  constexpr const char* kQemuSays = "load the saved machine: QEMU exited with status 1: ";
  CHECK(complaint(serialize({state.qemu_version, state.stream.first(state.stream.size() / 2)}))
            .starts_with(kQemuSays));
  CHECK(complaint(serialize({state.qemu_version, state.stream.first(1)})).starts_with(kQemuSays));
  CHECK(complaint(saved_guest(*kernel, 2).state).starts_with(kQemuSays));
  CHECK(complaint(saved.state, {.has_agent = false}).starts_with(kQemuSays));
}
