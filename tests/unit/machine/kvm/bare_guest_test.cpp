// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/machine/kvm/bare_guest.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <thread>

#include <asio/io_context.hpp>

#include "runtime/machine/cpu_limit/cpu_limiter.hpp"
#include "runtime/machine/kvm/limited_vcpus.hpp"
#include "runtime/machine/kvm/machine_state.hpp"

TL_GUEST(hello)
TL_GUEST(i8042)
TL_GUEST(mmio)
TL_GUEST(irq)
TL_GUEST(timer)
TL_GUEST(pit)
TL_GUEST(hole)
TL_GUEST(count)
TL_GUEST(start_other)
TL_GUEST(other)
TL_GUEST(marks)
TL_GUEST(uart)

using namespace tl;
using namespace tl::machine;
using namespace tl::machine::kvm;
using namespace tl::machine::kvm::test;
using Reason = VcpuSet::Reason;

namespace {

bool has_kvm() {
  return ::access("/dev/kvm", R_OK | W_OK) == 0;
}
#define NEEDS_KVM                                       \
  if (!has_kvm()) {                                     \
    WARN("skipped: there is no /dev/kvm on this host"); \
    return;                                             \
  }

// Holds a guest that counts, and has another one go on from there: by way of bytes, as a machine does.
std::unique_ptr<BareGuest> go_on_elsewhere(BareGuest& before, std::span<const std::byte> code) {
  before.vcpus->hold(Reason::kPaused);
  before.vcpus->wait_until_still();
  MachineState state;
  state.tsc_khz = before.vcpus->vcpu(0).tsc_khz().value();
  state.vcpus.push_back(before.vcpus->vcpu(0).save(before.vm).value());
  state.vm = before.vm.save().value();
  state.serial = before.serial->save();
  const auto bytes = to_bytes(state);

  const auto saved = machine_state_from(bytes);
  REQUIRE(saved);
  auto after = std::make_unique<BareGuest>(code);
  REQUIRE(after->memory.write({0}, *before.memory.at({0}, BareGuest::kMemory)));
  const auto restored = after->vcpus->vcpu(0).restore(saved->vcpus.front());
  INFO((restored ? "" : restored.error().message));
  REQUIRE(restored);
  REQUIRE(after->vm.restore(saved->vm));
  after->serial->restore(saved->serial);
  const std::uint32_t count = after->counter();
  after->go();
  after->wait_counting();
  CHECK(after->counter() > count);
  return after;
}

std::size_t entries(const char* folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

std::size_t lines(const char* file) {
  std::ifstream stream(file);
  return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(stream), {}, '\n'));
}

}  // namespace

TEST_CASE("a guest runs, speaks on the serial port and ends by a triple fault", "[kvm]") {
  NEEDS_KVM;
  BareGuest guest(guest_hello());
  guest.go();
  CHECK(guest.wait_end().cause == VcpuEnd::Cause::kShutdown);
  CHECK(guest.said() == "hi");
  CHECK(guest.vcpus->exits().port_io == 2);
}

TEST_CASE("the keyboard controller's reset ends a guest that only sleeps", "[kvm]") {
  NEEDS_KVM;
  BareGuest guest(guest_i8042());
  guest.go();
  CHECK(guest.wait_end().cause == VcpuEnd::Cause::kReset);
}

TEST_CASE("loads and stores in a device's window reach it, and a doorbell rings without a return", "[kvm]") {
  NEEDS_KVM;
  BareGuest guest(guest_mmio());
  guest.go();
  guest.wait_end();
  CHECK(guest.said() == "d");
  CHECK(guest.device.stores() == std::vector<std::pair<std::uint64_t, std::uint32_t>>{{8, 0x1234}});
  CHECK(guest.device.rung().take() == 1);
}

TEST_CASE("a device's interrupt wakes a sleeping guest by way of the I/O APIC", "[kvm]") {
  NEEDS_KVM;
  BareGuest guest(guest_irq());
  guest.go();
  guest.wait_end();
  CHECK(guest.said() == "i");
}

TEST_CASE("what is done before the first entry is done once, by the vCPU's own thread", "[kvm]") {
  NEEDS_KVM;
  BareGuest guest(guest_count());
  std::atomic<int> times = 0;
  std::atomic<pid_t> by = 0;
  std::atomic<bool> mapped = false;
  guest.vcpus->before_entry([&](Vcpu& vcpu) {
    ++times;
    by = ::gettid();
    const auto done = vcpu.prefault({0}, BareGuest::kMemory);
    mapped = done || done.error().code == ErrorCode::kHostLacks;
    const auto nowhere = vcpu.prefault({std::uint64_t{1} << 40}, 4096);
    mapped = mapped && !nowhere;
  });
  guest.go();
  guest.wait_counting();
  guest.vcpus->hold(Reason::kPaused);
  guest.vcpus->wait_until_still();
  guest.vcpus->let_go(Reason::kPaused);
  guest.wait_counting();
  CHECK(times == 1);
  CHECK(by == guest.vcpus->thread_ids().front());
  CHECK(mapped);
}

TEST_CASE("the local APIC's timer ticks", "[kvm]") {
  NEEDS_KVM;
  BareGuest guest(guest_timer());
  guest.go();
  guest.wait_end();
  CHECK(guest.said() == "tttttttt");
}

TEST_CASE("the PIT ticks behind the PIC", "[kvm]") {
  NEEDS_KVM;
  BareGuest guest(guest_pit());
  guest.go();
  guest.wait_end();
  CHECK(guest.said() == "p");
}

TEST_CASE("memory goes on above the hole, and nothing is in the hole", "[kvm]") {
  NEEDS_KVM;
  BareGuest guest(guest_hole(), 1, kHoleStart + (16 << 20));
  guest.go();
  guest.wait_end();
  CHECK(guest.said() == "ok");
  CHECK(*guest.memory.load<std::uint32_t>(GuestAddr{kHoleEnd}) == 0x11111111);
  CHECK(*guest.memory.load<std::uint32_t>(GuestAddr{kHoleStart - 4}) == 0x22222222);
  CHECK(guest.bus.faults() == 1);
}

TEST_CASE("a second vCPU waits until the first one starts it", "[kvm]") {
  NEEDS_KVM;
  BareGuest guest(guest_start_other(), 2);
  REQUIRE(guest.memory.write(GuestAddr{0x8000}, guest_other()));
  guest.go();
  guest.wait_said("2");
}

TEST_CASE("a guest that is held stands still, and goes on when every reason is gone", "[kvm]") {
  NEEDS_KVM;
  BareGuest guest(guest_count());
  guest.go();
  guest.wait_counting();
  for (int round = 0; round < 20; ++round) {
    guest.vcpus->hold(Reason::kPaused);
    guest.vcpus->wait_until_still();
    const std::uint32_t count = guest.counter();
    guest.vcpus->hold(Reason::kThrottled);
    guest.vcpus->let_go(Reason::kPaused);
    ::usleep(2000);
    CHECK(guest.counter() == count);
    guest.vcpus->let_go(Reason::kThrottled);
    guest.wait_counting();
  }
}

TEST_CASE("the pages that a guest writes to are noted from when they are asked for until they are taken",
          "[kvm]") {
  NEEDS_KVM;
  BareGuest guest(guest_count());
  const std::uint64_t page = BareGuest::kCounter.value / 4096;
  const auto written = [&] { return guest.vm.written_pages(guest.memory); };
  CHECK_FALSE(written());  // nobody has asked
  REQUIRE(guest.vm.note_writes(guest.memory, true));
  CHECK(written().value() == std::vector<std::uint64_t>(BareGuest::kMemory / 4096 / 64));
  guest.go();
  guest.wait_counting();
  guest.vcpus->hold(Reason::kPaused);
  guest.vcpus->wait_until_still();
  const auto words = written().value();
  CHECK((words[page / 64] >> page % 64 & 1) == 1);
  std::size_t pages = 0;
  for (const std::uint64_t word : words) pages += static_cast<std::size_t>(std::popcount(word));
  CHECK(pages < 16);  // its own tables' accessed bits may be among them
  CHECK(written().value() == std::vector<std::uint64_t>(words.size()));  // taken
  REQUIRE(guest.vm.note_writes(guest.memory, false));
  CHECK_FALSE(written());
}

TEST_CASE("holding from several threads at once loses neither a hold nor the guest", "[kvm]") {
  NEEDS_KVM;
  BareGuest guest(guest_count());
  guest.go();
  std::vector<std::thread> threads;
  for (const Reason reason : {Reason::kPaused, Reason::kThrottled}) {
    threads.emplace_back([&guest, reason] {
      for (int round = 0; round < 300; ++round) {
        guest.vcpus->hold(reason);
        guest.vcpus->wait_until_still();
        guest.vcpus->let_go(reason);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  guest.wait_counting();
}

TEST_CASE("a held guest does not see half an access to a device", "[kvm]") {
  NEEDS_KVM;
  // Held at any moment of its few exits, it always says the same.
  for (int microseconds = 0; microseconds < 400; microseconds += 40) {
    BareGuest guest(guest_mmio());
    guest.go();
    ::usleep(static_cast<useconds_t>(microseconds));
    guest.vcpus->hold(Reason::kPaused);
    guest.vcpus->wait_until_still();
    guest.vcpus->let_go(Reason::kPaused);
    guest.wait_end();
    CHECK(guest.said() == "d");
    CHECK(guest.device.stores().size() == 1);
  }
}

TEST_CASE("a machine is destroyed while it runs, before it runs and after its end", "[kvm]") {
  NEEDS_KVM;
  BareGuest never_run(guest_count());
  BareGuest running(guest_count());
  running.go();
  running.wait_counting();
  BareGuest ended(guest_hello());
  ended.go();
  ended.wait_end();
}

TEST_CASE("CPU time of vCPUs is counted while they run and not while they are held", "[kvm]") {
  NEEDS_KVM;
  BareGuest guest(guest_count());
  guest.go();
  guest.wait_counting();
  guest.vcpus->hold(Reason::kPaused);
  guest.vcpus->wait_until_still();
  const auto held = guest.vcpus->cpu_time();
  CHECK(held.count() > 0);
  ::usleep(20'000);
  CHECK(guest.vcpus->cpu_time() - held < std::chrono::milliseconds(10));
}

TEST_CASE("vCPUs with a limit use about their share of a CPU, and go on when they are no longer limited",
          "[kvm]") {
  NEEDS_KVM;
  BareGuest guest(guest_count());
  const auto limited = std::make_shared<LimitedVcpus>(*guest.vcpus);
  asio::io_context context;
  const auto limiter =
      CpuLimiter::start(context.get_executor(), limited, 0.5, 1, CpuLimiter::Method::kDutyCycle);
  guest.go();
  const auto begin = std::chrono::steady_clock::now();
  context.run_for(std::chrono::seconds(2));
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
  const std::chrono::duration<double> used = guest.vcpus->cpu_time();
  CHECK(used / wall < 0.55);  // a busy host may give it less, never more
  CHECK(used / wall > 0.02);
  limiter->stop();
  limited->go_on();
  guest.wait_counting();
  limited->forget();
  CHECK_FALSE(limited->cpu_time());
}

TEST_CASE("registers, MSRs and the local APIC go on in another machine from where they were saved", "[kvm]") {
  NEEDS_KVM;
  BareGuest before(guest_marks());
  before.go();
  before.wait_counting();
  before.vcpus->hold(Reason::kPaused);
  before.vcpus->wait_until_still();
  const auto vcpu = before.vcpus->vcpu(0).save(before.vm);
  const auto vm = before.vm.save();
  INFO((vcpu ? "" : vcpu.error().message));
  REQUIRE(vcpu);
  REQUIRE(vm);

  BareGuest after(guest_marks());
  const auto low = before.memory.at({0}, BareGuest::kMemory);
  REQUIRE(after.memory.write({0}, *low));
  REQUIRE(after.vm.restore(*vm));
  const auto restored = after.vcpus->vcpu(0).restore(*vcpu);
  INFO((restored ? "" : restored.error().message));
  REQUIRE(restored);
  CHECK(after.vcpus->vcpu(0).registers()->rip == vcpu->registers.rip);
  const std::uint32_t count = after.counter();
  after.go();
  after.wait_counting();
  CHECK(after.counter() > count);
  REQUIRE(after.memory.store(BareGuest::kCounter + 8, std::uint32_t{1}));
  after.wait_end();
  CHECK(after.said() == "rcma");
}

TEST_CASE("a guest that has gone on in another machine goes on in a third and a fourth", "[kvm]") {
  NEEDS_KVM;
  auto guest = std::make_unique<BareGuest>(guest_marks());
  guest->go();
  guest->wait_counting();
  for (int round = 0; round < 3; ++round) guest = go_on_elsewhere(*guest, guest_marks());
  REQUIRE(guest->memory.store(BareGuest::kCounter + 8, std::uint32_t{1}));
  guest->wait_end();
  CHECK(guest->said() == "rcma");
}

TEST_CASE("the serial port's registers, and a byte in its loopback, go on in another machine", "[kvm]") {
  NEEDS_KVM;
  auto guest = std::make_unique<BareGuest>(guest_uart());
  guest->go();
  guest->wait_counting();
  for (int round = 0; round < 2; ++round) guest = go_on_elsewhere(*guest, guest_uart());
  REQUIRE(guest->memory.store(BareGuest::kCounter + 8, std::uint32_t{1}));
  guest->wait_end();
  CHECK(guest->said() == "sl");
}

TEST_CASE("the clock does not go back over a restore, and the interrupt controllers are the same", "[kvm]") {
  NEEDS_KVM;
  BareGuest before(guest_irq());
  before.go();
  before.wait_end();
  const auto saved = before.vm.save();
  REQUIRE(saved);
  BareGuest after(guest_irq());
  REQUIRE(after.vm.restore(*saved));
  const auto again = after.vm.save();
  REQUIRE(again);
  CHECK(again->clock.clock >= saved->clock.clock);
  CHECK(std::memcmp(&again->controllers[2].chip.ioapic.redirtbl, &saved->controllers[2].chip.ioapic.redirtbl,
                    sizeof saved->controllers[2].chip.ioapic.redirtbl) == 0);
  CHECK(again->timer.channels[0].count == saved->timer.channels[0].count);
}

TEST_CASE("making and ending machines leaves no descriptor, thread or mapping behind", "[kvm]") {
  NEEDS_KVM;
  const auto round = [] {
    BareGuest guest(guest_hello(), 2);
    guest.go();
    guest.wait_end();
  };
  for (int i = 0; i < 20; ++i) round();  // what allocators and thread stacks keep for the next time
  const auto descriptors = entries("/proc/self/fd");
  const auto threads = entries("/proc/self/task");
  const auto mappings = lines("/proc/self/maps");
  for (int i = 0; i < 200; ++i) round();
  CHECK(entries("/proc/self/fd") == descriptors);
  CHECK(entries("/proc/self/task") == threads);
  CHECK(lines("/proc/self/maps") < mappings + 20);
}

TEST_CASE("the first thread does what is first, also for a machine that never comes to be") {
  Log log(STDERR_FILENO);
  Bus bus(log);
  std::atomic<int> done = 0;
  {
    const auto set = VcpuSet::start(
        3, bus, [](VcpuEnd) { FAIL("there was nothing to end"); }, [&done] { ++done; });
    REQUIRE(set);
    (*set)->wait_until_still();
    CHECK(done == 1);
    CHECK((*set)->size() == 3);
  }
  static_cast<void>(VcpuSet::start(
      1, bus, [](VcpuEnd) {}, [&done] { ++done; }));
  CHECK(done == 2);
}

TEST_CASE("a host without KVM is told by name", "[kvm]") {
  for (const char* device : {"/dev/none", "/dev/null"}) {
    const auto vm = Vm::create(device);
    REQUIRE_FALSE(vm);
    CHECK(vm.error().code == ErrorCode::kHostLacks);
  }
}
