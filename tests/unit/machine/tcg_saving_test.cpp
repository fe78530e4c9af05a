// SPDX-License-Identifier: Apache-2.0
// Real guests that are saved and go on in another QEMU. Skipped without a kernel, and without QEMU.
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <iostream>

#include "common/io.hpp"
#include "runtime/machine/probe/tcg_probe.hpp"
#include "runtime/machine/tcg/saved_state.hpp"
#include "runtime/machine/tcg/tcg_machine.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/machine/guest_init.hpp"
#include "tests/unit/machine/support.hpp"

using namespace tl;
using namespace tl::machine;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::uint32_t kMemoryMib = 128;

// A copy that has memory only where the original has.
UniqueFd copy_of(int memory) {
  constexpr off_t kSize = off_t{kMemoryMib} << 20;
  UniqueFd copy = *make_guest_memory_file(kSize);
  std::vector<std::byte> chunk;
  for (off_t begin = ::lseek(memory, 0, SEEK_DATA); begin >= 0 && begin < kSize;) {
    const off_t end = ::lseek(memory, begin, SEEK_HOLE);
    chunk.resize(static_cast<std::size_t>(end - begin));
    REQUIRE(pread_exact(memory, chunk, static_cast<std::uint64_t>(begin)));
    REQUIRE(pwrite_all(copy.get(), chunk, static_cast<std::uint64_t>(begin)));
    begin = ::lseek(memory, end, SEEK_DATA);
  }
  return copy;
}

struct Saved {
  std::vector<std::byte> state;
  UniqueFd memory;
};

struct Options {
  unsigned vcpus = 1;
  bool has_agent = true;
  std::function<asio::awaitable<Result<void>>()> memory_ready;
};

// Counts, see guest_init.hpp.
struct Guest {
  Guest() = default;
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;
  ~Guest() {
    if (std::uncaught_exceptions()) std::cerr << console.tail() << '\n';
  }

  void boot(const std::string& kernel, Options options = {}) {
    MachineSpec spec;
    spec.kernel = kernel;
    spec.initramfs = test::initramfs_with_init('c');
    make(std::move(spec), *make_guest_memory_file(std::uint64_t{kMemoryMib} << 20), std::move(options));
    REQUIRE(test::run(context, machine->start()));
  }
  // Takes a copy of the memory.
  Result<void> go_on(const Saved& saved, Options options = {}) {
    MachineSpec spec;
    spec.saved_state = saved.state;
    make(std::move(spec), copy_of(saved.memory.get()), std::move(options));
    return test::run(context, machine->start());
  }
  void make(MachineSpec spec, UniqueFd guest_memory, Options options) {
    spec.vcpus = options.vcpus;
    spec.cpu_limit = options.vcpus;
    spec.memory_mib = kMemoryMib;
    memory = *duplicate(guest_memory);
    TcgWiring wiring;
    wiring.memory = std::move(guest_memory);
    wiring.memory_ready = std::move(options.memory_ready);
    wiring.console = &console;
    auto ends = stream_socket_pair();
    agent = std::move(ends->first);
    if (options.has_agent) wiring.agent = std::move(ends->second);
    machine = *TcgMachine::create(context.get_executor(), std::move(spec), std::move(wiring), log);
  }

  // Asks the guest, and waits for what it answers.
  test::Count ask() {
    REQUIRE(::send(agent.get(), "x", 1, MSG_NOSIGNAL) == 1);
    return answer();
  }
  test::Count answer() {
    test::Count count;
    std::size_t got = 0;
    const auto deadline = Clock::now() + std::chrono::seconds(60);
    while (got < sizeof count && Clock::now() < deadline) {
      const ssize_t n =
          ::recv(agent.get(), reinterpret_cast<char*>(&count) + got, sizeof count - got, MSG_DONTWAIT);
      if (n > 0) got += static_cast<std::size_t>(n);
      context.restart();
      context.run_for(std::chrono::milliseconds(2));
    }
    REQUIRE(got == sizeof count);
    return count;
  }
  Saved save() {
    REQUIRE(test::run(context, machine->pause()));
    auto state = test::run(context, machine->save());
    REQUIRE(state);
    return {*std::move(state), copy_of(memory.get())};
  }
  MachineExit kill() {
    machine->kill();
    return test::run(context, machine->wait());
  }

  asio::io_context context;
  ConsoleMonitor console;
  Log log{STDERR_FILENO};
  UniqueFd memory;
  UniqueFd agent;
  std::unique_ptr<TcgMachine> machine;
};

// Saves a guest that has answered once.
Saved saved_guest(const std::string& kernel, unsigned vcpus = 1) {
  Guest guest;
  guest.boot(kernel, {vcpus, true, nullptr});
  REQUIRE(guest.ask().bytes == 1);
  Saved saved = guest.save();
  guest.kill();
  return saved;
}

}  // namespace

TEST_CASE("a saved guest goes on in another machine, its clock too, and is saved there once more") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  Guest first;
  first.boot(*kernel);
  test::Count before = first.ask();
  CHECK(before.bytes == 1);
  auto asked = Clock::now();
  Saved saved = first.save();
  CHECK(first.kill().cause == MachineExit::Cause::kKilled);
  for (std::uint64_t round = 2; round <= 3; ++round) {
    Guest next;
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
  Guest guest;
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
  Guest guest;
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
  Guest guest;
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
  Guest one;
  Guest other;
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
  Guest guest;
  REQUIRE(guest.go_on(saved, {3, true, nullptr}));
  CHECK(guest.ask().bytes == 2);
}

TEST_CASE("a guest goes on twenty times over") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  Saved saved = saved_guest(*kernel);
  for (std::uint64_t round = 2; round < 22; ++round) {
    Guest guest;
    REQUIRE(guest.go_on(saved));
    REQUIRE(guest.ask().bytes == round);
    saved = guest.save();
  }
}

TEST_CASE("a question that is under way when the guest is paused is answered after it goes on") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  Guest guest;
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
  Guest guest;
  guest.boot(*kernel);
  REQUIRE(guest.ask().bytes == 1);
  guest.agent.reset();
  guest.context.restart();
  guest.context.run_for(std::chrono::milliseconds(100));
  const Saved saved = guest.save();
  guest.kill();
  Guest next;
  REQUIRE(next.go_on(saved));
  CHECK(next.ask().bytes == 2);
}

TEST_CASE("the memory can be filled while QEMU starts") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  const Saved saved = saved_guest(*kernel);
  Guest guest;
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
  guest.make(std::move(spec), *make_guest_memory_file(std::uint64_t{kMemoryMib} << 20), {1, true, fill});
  REQUIRE(test::run(guest.context, guest.machine->start()));
  CHECK(asked == 1);
  CHECK(guest.ask().bytes == 2);
  CHECK(guest.machine->memory_used_bytes() > std::uint64_t{kMemoryMib} << 20);
}

TEST_CASE("memory that cannot be filled fails the start at once, and leaves no QEMU") {
  const auto kernel = test::tcg_test_kernel();
  if (!kernel) return;
  const Saved saved = saved_guest(*kernel);
  Guest guest;
  const auto fail = []() -> asio::awaitable<Result<void>> {
    co_return Error{ErrorCode::kHostLacks, "no space", ""};
  };
  const auto started = guest.go_on(saved, {1, true, fail});
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
    Guest guest;
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
  CHECK(complaint(saved.state, {1, false, nullptr}).starts_with(kQemuSays));
}
