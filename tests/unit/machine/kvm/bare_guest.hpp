// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "common/log.hpp"
#include "runtime/machine/kvm/boot/boot_info.hpp"
#include "runtime/machine/kvm/boot/entry.hpp"
#include "runtime/machine/kvm/bus.hpp"
#include "runtime/machine/kvm/i8042.hpp"
#include "runtime/machine/kvm/layout.hpp"
#include "runtime/machine/kvm/serial.hpp"
#include "runtime/machine/kvm/vcpu_set.hpp"
#include "runtime/machine/kvm/vm.hpp"
#include "tests/support/catch.hpp"

#define TL_GUEST(name)                                \
  extern "C" const std::byte tl_guest_##name[];       \
  extern "C" const std::byte tl_guest_##name##_end[]; \
  inline std::span<const std::byte> guest_##name() {  \
    return {tl_guest_##name, tl_guest_##name##_end};  \
  }

namespace tl::machine::kvm::test {

// A device that remembers, and rings.
class TestDevice final : public MmioDevice {
 public:
  TestDevice() : interrupt_(*EventFd::create()), rung_(*EventFd::create()) {}
  void read(std::uint64_t, std::span<std::byte> into) override {
    std::fill(into.begin(), into.end(), std::byte{'d'});
  }
  void write(std::uint64_t offset, std::span<const std::byte> from) override {
    const std::lock_guard lock(mutex_);
    std::uint32_t value = 0;
    std::memcpy(&value, from.data(), std::min(from.size(), sizeof value));
    stores_.emplace_back(offset, value);
    if (offset == 0x54) interrupt_.signal();
  }
  [[nodiscard]] const EventFd& interrupt() const override { return interrupt_; }
  [[nodiscard]] std::optional<Doorbell> doorbell() const override { return Doorbell{0x50, &rung_}; }

  [[nodiscard]] std::vector<std::pair<std::uint64_t, std::uint32_t>> stores() {
    const std::lock_guard lock(mutex_);
    return stores_;
  }
  [[nodiscard]] const EventFd& rung() const { return rung_; }

 private:
  EventFd interrupt_;
  EventFd rung_;
  std::mutex mutex_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> stores_;
};

// A VM around a piece of bare_guest.S; runs when told to.
class BareGuest {
 public:
  static constexpr std::uint64_t kMemory = 16 << 20;
  static constexpr GuestAddr kCode{0x100000};
  static constexpr GuestAddr kCounter{0x190000};

  explicit BareGuest(std::span<const std::byte> code, unsigned count = 1,
                     std::uint64_t memory_bytes = kMemory)
      : memory(*GuestMemory::create(memory_bytes)), vm(Vm::create().value()) {
    REQUIRE(vm.add_memory(memory));
    REQUIRE(memory.write(kCode, code));
    LoadedKernel kernel;
    kernel.entry = kCode;
    kernel.end = GuestAddr{0x200000};
    REQUIRE(write_boot_info(memory, kernel, {"", nullptr, count}));
    map_devices();
    bus.add(layout::kSerialPort, *serial);
    bus.add(layout::kKeyboardPort, keyboard);
    bus.add(layout::device_window(0), device);
    REQUIRE(vm.connect_interrupt(device.interrupt(), layout::kDeviceLines[0]));
    REQUIRE(vm.connect_doorbell(layout::device_window(0), *device.doorbell()));
    const auto supported = vm.supported_cpuid();
    std::vector<Vcpu> made;
    for (unsigned i = 0; i < count; ++i) made.push_back(Vcpu::create(vm, *supported, {i, count}).value());
    REQUIRE(enter_kernel(made.front(), memory, kernel));
    vcpus = *VcpuSet::start(made.size(), bus, [this](VcpuEnd why) { finish(std::move(why)); });
    vcpus->take(std::move(made));
  }

  void go() { vcpus->let_go(VcpuSet::Reason::kNotStarted); }
  // Waits for the guest's end; generous, because the guest may be interpreted.
  VcpuEnd wait_end() {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(120), [this] { return end.has_value(); }));
    return *end;
  }
  void wait_said(const std::string& words) {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(120), [&] { return text == words; }));
  }
  [[nodiscard]] std::string said() {
    const std::lock_guard lock(mutex);
    return text;
  }
  [[nodiscard]] std::uint32_t counter() const { return *memory.load<std::uint32_t>(kCounter); }
  // Until it has gone on from where it is now.
  void wait_counting() {
    const std::uint32_t before = counter();
    std::unique_lock lock(mutex);
    for (int waited = 0; counter() == before; ++waited) {
      changed.wait_for(lock, std::chrono::milliseconds(1));
      INFO((end ? end->detail + "\n" + end->registers : "it runs"));
      REQUIRE((!end && waited < 120'000));
    }
  }

  Log log{STDERR_FILENO};
  GuestMemory memory;
  std::mutex mutex;
  std::condition_variable changed;
  std::string text;
  std::optional<VcpuEnd> end;
  TestDevice device;
  Bus bus{log};
  std::unique_ptr<Serial> serial = *Serial::create([this](std::uint8_t byte) {
    {
      const std::lock_guard lock(mutex);
      text += static_cast<char>(byte);
    }
    changed.notify_all();
  });
  I8042 keyboard{[this] { finish({VcpuEnd::Cause::kReset, "", ""}); }};
  Vm vm;
  std::unique_ptr<VcpuSet> vcpus;

 private:
  // The fourth GiB as well, where devices and interrupt controllers are.
  void map_devices() {
    constexpr GuestAddr kDirectory{0xc000};
    REQUIRE(memory.store(layout::kPageTables + 0x1000 + 3 * 8, kDirectory.value | 0x3));
    for (std::uint64_t i = 0; i < 512; ++i)
      REQUIRE(memory.store(kDirectory + i * 8, (kHoleStart + i * (2 << 20)) | 0x83));
  }
  void finish(VcpuEnd why) {
    {
      const std::lock_guard lock(mutex);
      if (!end) end = std::move(why);
    }
    changed.notify_all();
  }
};

}  // namespace tl::machine::kvm::test
