// SPDX-License-Identifier: Apache-2.0
// A real Linux on KVM. TL_TEST_KERNEL names a vmlinux; a bzImage of the same kernel is beside it. Skipped
// without, and where /dev/kvm runs no guests: the lab runs these tests.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>

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
  explicit BareBoard(GuestMemory memory) : memory_(std::move(memory)) {}
  [[nodiscard]] GuestMemory& memory() override { return memory_; }
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
  auto memory = GuestMemory::create(std::uint64_t{512} << 20);
  REQUIRE(memory);
  wiring.board = std::make_unique<BareBoard>(*std::move(memory));
  wiring.console = &console;
  wiring.protocol = protocol;
  auto machine = KvmMachine::create(context.get_executor(), std::move(spec), std::move(wiring), log);
  if (!machine) FAIL(machine.error().message);
  REQUIRE(test::run(context, (*machine)->start()));
  const MachineExit exit = test::run(context, (*machine)->wait(), std::chrono::seconds(300));
  INFO(console.tail());
  CHECK(exit.cause == MachineExit::Cause::kPowerOff);
  CHECK(console.tail().find("TL-TEST-INIT") != std::string_view::npos);
}

}  // namespace

TEST_CASE("Linux starts from an ELF file by its 64-bit protocol", "[linux]") {
  if (const auto path = kernel()) boot_and_power_off(*path, BootProtocol::kLinux64);
}

TEST_CASE("Linux starts from an ELF file by PVH", "[linux]") {
  if (const auto path = kernel()) boot_and_power_off(*path, BootProtocol::kPvh);
}

TEST_CASE("Linux starts from a bzImage", "[linux]") {
  if (const auto path = kernel()) boot_and_power_off(path->parent_path() / "bzImage", BootProtocol::kLinux64);
}
