// SPDX-License-Identifier: Apache-2.0
// A real Linux on KVM. TL_TEST_KERNEL names a vmlinux; a bzImage of the same kernel is beside it. Skipped
// without, and where /dev/kvm runs no guests: the lab runs these tests.
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "runtime/machine/console_monitor.hpp"
#include "runtime/machine/kvm/kvm_machine.hpp"
#include "runtime/machine/probe/kvm_probe.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/machine/guest_init.hpp"
#include "tests/unit/machine/support.hpp"

using namespace tl;
using namespace tl::machine;
using namespace tl::machine::kvm;
namespace fs = std::filesystem;

namespace {

std::optional<fs::path> kernel() {
  const char* path = std::getenv("TL_TEST_KERNEL");
  if (path == nullptr || ::access(path, R_OK) != 0) {
    std::cerr << "skipped: TL_TEST_KERNEL names no kernel\n";
    return std::nullopt;
  }
  if (const Verdict verdict = probe_kvm(); !verdict.usable) {
    std::cerr << "skipped: " << verdict.reason << '\n';
    return std::nullopt;
  }
  return path;
}

// Memory and nothing else.
class BareBoard final : public Board {
 public:
  static constexpr std::uint64_t kBytes = std::uint64_t{512} << 20;
  explicit BareBoard(GuestMemory memory) : memory_(std::move(memory)) {}
  [[nodiscard]] const GuestMemory& memory() const override { return memory_; }
  [[nodiscard]] std::vector<MmioDevice*> devices() override { return {}; }
  void pause() override {}
  void resume() override {}
  [[nodiscard]] std::vector<std::byte> save() const override { return {}; }
  Result<void> restore(std::span<const std::byte>) override { return {}; }

 private:
  GuestMemory memory_;
};

void boot_and_power_off(const fs::path& file, BootProtocol protocol) {
  asio::io_context context;
  const Log log(STDERR_FILENO);
  ConsoleMonitor console;
  MachineSpec spec;
  spec.kernel = file;
  spec.vcpus = 2;
  spec.initramfs = test::initramfs_with_init('p');
  Wiring wiring;
  auto memory = GuestMemory::create(BareBoard::kBytes);
  REQUIRE(memory);
  wiring.board = std::make_unique<BareBoard>(*std::move(memory));
  wiring.console = &console;
  wiring.protocol = protocol;
  wiring.vm = Vm::begin();
  auto machine = KvmMachine::create(context.get_executor(), std::move(spec), std::move(wiring), log);
  if (!machine) FAIL(machine.error().message);
  REQUIRE(test::run(context, (*machine)->start()));
  const MachineExit exit = test::run(context, (*machine)->wait(), std::chrono::seconds(300));
  INFO(console.tail());
  CHECK(exit.cause == MachineExit::Cause::kPowerOff);
  CHECK(console.tail().find("TL-TEST-INIT") != std::string_view::npos);
}

// The last number that a guest which counts has said; 0 before its first.
unsigned long last_number(const ConsoleMonitor& console) {
  const std::string_view said = console.tail();
  const std::size_t end = said.rfind('\n');
  const std::size_t at = end == std::string_view::npos ? end : said.rfind("\nn", end - 1);
  if (at == std::string_view::npos || end - at < 9) return 0;
  return std::strtoul(std::string(said.substr(at + 2, 8)).c_str(), nullptr, 10);
}

// A machine whose guest counts, and what it has said.
struct Counting {
  explicit Counting(asio::io_context& io, const fs::path& kernel) : context(io), file(kernel) {}

  // From the beginning, or with a state from there on: with the memory `of` then.
  void make(std::vector<std::byte> state = {}, const GuestMemory* of = nullptr) {
    MachineSpec spec;
    spec.kernel = file;
    spec.vcpus = 2;
    spec.saved_state = std::move(state);
    // All of it, and more than there is.
    if (of != nullptr) spec.first_pages = {{0, 1}, {100, BareBoard::kBytes / 4096}};
    if (of == nullptr) spec.initramfs = test::initramfs_with_init('n');
    auto made = GuestMemory::create(BareBoard::kBytes);
    REQUIRE(made);
    if (of != nullptr) copy(of->ram(), made->ram());
    auto board = std::make_unique<BareBoard>(*std::move(made));
    memory = &board->memory();
    Wiring wiring;
    wiring.board = std::move(board);
    wiring.console = &console;
    wiring.vm = Vm::begin();
    wiring.memory_ready = [this] { ++waited; };
    auto created = KvmMachine::create(context.get_executor(), std::move(spec), std::move(wiring), log);
    if (!created) FAIL(created.error().message);
    machine = *std::move(created);
    REQUIRE(test::run(context, machine->start()));
  }
  // What is zero on both sides stays untouched.
  static void copy(std::span<const std::byte> from, std::span<std::byte> to) {
    static constexpr std::array<std::byte, 4096> kZeroes{};
    for (std::size_t at = 0; at < from.size(); at += kZeroes.size()) {
      if (std::memcmp(from.data() + at, kZeroes.data(), kZeroes.size()) != 0)
        std::memcpy(to.data() + at, from.data() + at, kZeroes.size());
    }
  }
  void wait_beyond(unsigned long number) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(300);
    while (last_number(console) <= number) {
      context.restart();
      context.run_one_for(std::chrono::milliseconds(100));
      INFO(console.tail());
      REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
  }

  asio::io_context& context;
  fs::path file;
  Log log{STDERR_FILENO};
  ConsoleMonitor console;
  std::unique_ptr<KvmMachine> machine;
  const GuestMemory* memory = nullptr;  // the machine's
  std::atomic<int> waited = 0;
};

}  // namespace

TEST_CASE("a Linux that is saved goes on in another machine, and that one in a third", "[linux]") {
  const auto path = kernel();
  if (!path) return;
  asio::io_context context;
  auto before = std::make_unique<Counting>(context, *path);
  before->make();
  before->wait_beyond(20);
  for (int round = 0; round < 2; ++round) {
    REQUIRE(test::run(context, before->machine->pause()));
    auto state = test::run(context, before->machine->save());
    INFO((state ? "" : state.error().message));
    REQUIRE(state);
    context.restart();
    context.poll();  // what it had said until then
    const unsigned long number = last_number(before->console);
    auto after = std::make_unique<Counting>(context, *path);
    after->make(*std::move(state), before->memory);
    before = std::move(after);
    before->wait_beyond(number + 20);
    CHECK(before->waited == 1);
    // It has not booted again, and none of its numbers is missing. The first may have been half said.
    const std::string_view said = before->console.tail();
    CHECK(said.find("TL-TEST-INIT") == std::string_view::npos);
    CHECK(said.find(fmt::format("n{:08}", number + 2)) != std::string_view::npos);
    CHECK(said.find("rcu") == std::string_view::npos);
  }
  // And one that was only held is none the worse for it.
  REQUIRE(test::run(context, before->machine->pause()));
  REQUIRE(test::run(context, before->machine->save()));
  REQUIRE(test::run(context, before->machine->resume()));
  before->wait_beyond(last_number(before->console) + 20);
}

TEST_CASE("Linux starts from an ELF file by its 64-bit protocol", "[linux]") {
  if (const auto path = kernel()) boot_and_power_off(*path, BootProtocol::kLinux64);
}

TEST_CASE("Linux starts from an ELF file by PVH", "[linux]") {
  if (const auto path = kernel()) boot_and_power_off(*path, BootProtocol::kPvh);
}

TEST_CASE("Linux starts from a bzImage", "[linux]") {
  if (const auto path = kernel()) boot_and_power_off(path->parent_path() / "bzImage", BootProtocol::kLinux64);
}
