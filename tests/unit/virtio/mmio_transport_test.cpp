// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/mmio_transport.hpp"

#include <unistd.h>

#include <array>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/support/mmio_driver.hpp"

using namespace tl;
using namespace tl::virtio;
using namespace tl::virtio::test;

namespace {

// Answers every chain with "pong", and can be stopped in the middle of that.
class Echo final : public Device {
 public:
  Echo() : Device({"echo", 42, std::uint64_t{1} << 3 | std::uint64_t{1} << 40, {8, 16}}) {}
  [[nodiscard]] std::span<const std::byte> config() const override {
    return std::as_bytes(std::span("configuration", 13));
  }
  void serve(unsigned index) override {
    Queue* const queue = driver()->queue(index);
    if (queue == nullptr) return;
    ++served[index];
    do {
      while (auto chain = queue->pop()) {
        wait_while_stopped();
        ChainWriter writer(*chain);
        writer.write(std::as_bytes(std::span("pong", 4)));
        queue->push(chain->head, writer.written());
      }
    } while (queue->enable_notification());
    driver()->interrupt_for(index);
  }
  void on_start() override { ++starts; }
  void on_stop() override { ++stops; }

  void stop_serving() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  void wait_serving() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(60), [this] { return waiting_; }));
  }
  void go_on() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = false;
    }
    changed_.notify_all();
  }
  int starts = 0;
  int stops = 0;
  std::array<int, 2> served{};  // how often each queue

 private:
  void wait_while_stopped() {
    std::unique_lock lock(mutex_);
    waiting_ = stopped_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !stopped_; });
    waiting_ = false;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  bool waiting_ = false;
};

struct Fixture {
  Log log{STDERR_FILENO};
  GuestMemory memory = *GuestMemory::create(4 << 20);
  std::unique_ptr<IoThread> thread = *IoThread::start("test");
  Echo* echo = nullptr;
  std::unique_ptr<MmioTransport> transport = make();
  MmioDriver driver{*transport, memory};

  std::unique_ptr<MmioTransport> make() {
    auto device = std::make_unique<Echo>();
    echo = device.get();
    return *MmioTransport::create(std::move(device), memory, *thread, log);
  }
  void settle() { const auto lock = thread->exclusive(); }
  void ask(std::uint16_t head = 0) {
    driver.send(0, head, {{MmioDriver::buffer(0).value, 16, FakeDriver::kWrite}});
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a driver finds the device, agrees on features and is answered") {
  CHECK(driver.read(VIRTIO_MMIO_MAGIC_VALUE) == 0x74726976);
  CHECK(driver.read(VIRTIO_MMIO_VERSION) == 2);
  CHECK(driver.read(VIRTIO_MMIO_DEVICE_ID) == 42);
  CHECK((driver.offered() & (std::uint64_t{1} << 40)) != 0);
  CHECK((driver.offered() & (std::uint64_t{1} << VIRTIO_F_VERSION_1)) != 0);
  driver.start(2);
  CHECK(echo->starts == 1);
  ask();
  driver.wait_used(0, 1);
  CHECK(driver.get(MmioDriver::buffer(0), 4) == "pong");
  CHECK(driver.queue(0).used(0).written == 4);
  CHECK(driver.wait_interrupt() == VIRTIO_MMIO_INT_VRING);
  CHECK(driver.read(VIRTIO_MMIO_INTERRUPT_STATUS) == 0);
  CHECK(transport->faults() == 0);
}

TEST_CASE_METHOD(Fixture, "the configuration space is read in any width, and zeroes follow it") {
  CHECK(driver.config<char>() == 'c');
  CHECK(driver.config<std::uint16_t>(1) == ('o' | 'n' << 8));
  CHECK(driver.config<std::uint64_t>(8) == 0x6e6f697461ULL);  // "ation"
  CHECK(driver.config<std::uint32_t>(13) == 0);
  CHECK(driver.config<std::uint64_t>(0xef8) == 0);
}

TEST_CASE_METHOD(Fixture, "features that were not offered, or the old interface, are refused") {
  for (const std::uint64_t features : {std::uint64_t{1} << VIRTIO_F_VERSION_1 | std::uint64_t{1} << 5,
                                       std::uint64_t{1} << 3, std::uint64_t{0}}) {
    driver.reset();
    driver.add_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    driver.accept(features);
    driver.add_status(VIRTIO_CONFIG_S_FEATURES_OK);
    CHECK((driver.status() & VIRTIO_CONFIG_S_FEATURES_OK) == 0);
    driver.add_status(VIRTIO_CONFIG_S_DRIVER_OK);
    CHECK((driver.status() & VIRTIO_CONFIG_S_DRIVER_OK) == 0);
  }
  CHECK(echo->starts == 0);
  CHECK(transport->faults() == 6);
}

TEST_CASE_METHOD(Fixture,
                 "what was agreed on cannot be changed, and a status bit is only cleared by a reset") {
  driver.start(1);
  driver.accept(0);
  driver.write(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
  CHECK((driver.status() & VIRTIO_CONFIG_S_DRIVER_OK) != 0);
  CHECK(transport->faults() == 3);
  ask();
  driver.wait_used(0, 1);
  driver.reset();
  CHECK(driver.status() == 0);
}

TEST_CASE_METHOD(Fixture,
                 "a queue that is too long, outside of the memory or set up too late does not become ready") {
  const auto ready = [&](const QueueLayout& layout) {
    driver.reset();
    driver.negotiate();
    driver.place(0, layout);
    driver.write(VIRTIO_MMIO_QUEUE_READY, 1);
    return driver.read(VIRTIO_MMIO_QUEUE_READY);
  };
  const QueueLayout good{8, {0x1000}, {0x2000}, {0x3000}};
  CHECK(ready(good) == 1);
  CHECK(ready({16, {0x1000}, {0x2000}, {0x3000}}) == 0);
  CHECK(ready({7, {0x1000}, {0x2000}, {0x3000}}) == 0);
  CHECK(ready({0, {0x1000}, {0x2000}, {0x3000}}) == 0);
  CHECK(ready({8, {0x1001}, {0x2000}, {0x3000}}) == 0);
  CHECK(ready({8, {4 << 20}, {0x2000}, {0x3000}}) == 0);
  CHECK(ready({8, {0x1000}, {(4 << 20) - 4}, {0x3000}}) == 0);
  CHECK(ready({8, {0x1000}, {0x2000}, {~0ULL - 3}}) == 0);
  driver.reset();
  driver.start(1);
  driver.place(1, good);
  driver.write(VIRTIO_MMIO_QUEUE_READY, 1);
  CHECK(driver.read(VIRTIO_MMIO_QUEUE_READY) == 0);
  driver.write(VIRTIO_MMIO_QUEUE_SEL, 2);
  CHECK(driver.read(VIRTIO_MMIO_QUEUE_NUM_MAX) == 0);
  driver.write(VIRTIO_MMIO_QUEUE_READY, 1);
  CHECK(driver.read(VIRTIO_MMIO_QUEUE_READY) == 0);
}

TEST_CASE_METHOD(Fixture,
                 "the doorbell is for all queues, and those are served to which something was added") {
  driver.start(2);
  ask();
  driver.wait_used(0, 1);
  driver.send(1, 0, {{MmioDriver::buffer(1).value, 16, FakeDriver::kWrite}});
  driver.wait_used(1, 1);
  settle();
  CHECK(echo->served == std::array{1, 1});
}

TEST_CASE_METHOD(Fixture, "a reset waits for the request in progress, and nothing is written afterwards") {
  driver.start(1);
  echo->stop_serving();
  ask();
  echo->wait_serving();
  std::thread guest([this] { driver.reset(); });
  ::usleep(5000);
  echo->go_on();
  guest.join();
  CHECK(driver.status() == 0);
  CHECK(echo->stops == 1);
  driver.put(MmioDriver::buffer(0), "mine");
  driver.ring();
  { const auto lock = thread->exclusive(); }
  CHECK(driver.get(MmioDriver::buffer(0), 4) == "mine");
  driver.start(1);
  ask();
  driver.wait_used(0, 1);
  CHECK(driver.get(MmioDriver::buffer(0), 4) == "pong");
}

TEST_CASE_METHOD(Fixture, "a broken ring needs a reset, says so once, and works again after it") {
  driver.start(1);
  driver.queue(0).set_available_index(100);
  driver.ring();
  CHECK(driver.wait_interrupt() == VIRTIO_MMIO_INT_CONFIG);
  CHECK((driver.status() & VIRTIO_CONFIG_S_NEEDS_RESET) != 0);
  const auto faults = transport->faults();
  for (int i = 0; i < 50; ++i) driver.ring();
  { const auto lock = thread->exclusive(); }
  CHECK(transport->faults() == faults);
  driver.reset();
  driver.start(1);
  ask();
  driver.wait_used(0, 1);
}

TEST_CASE_METHOD(Fixture, "with the event index a driver is interrupted where it asked to be") {
  driver.negotiate(0);
  driver.set_up_queue(0);
  driver.add_status(VIRTIO_CONFIG_S_DRIVER_OK);
  driver.queue(0).set_used_event(2);
  for (std::uint16_t i = 0; i < 2; ++i) ask(i);
  driver.wait_used(0, 2);
  { const auto lock = thread->exclusive(); }
  CHECK_FALSE(driver.was_interrupted());
  ask(2);
  CHECK(driver.wait_interrupt() == VIRTIO_MMIO_INT_VRING);
}

TEST_CASE_METHOD(Fixture, "no register, width, offset or status does harm") {
  for (const std::uint32_t stage : {0U, 1U, 3U, 11U, 15U, 128U}) {
    driver.reset();
    if (stage == 15) driver.start(2);
    if (stage != 15) driver.write(VIRTIO_MMIO_STATUS, stage);
    std::array<std::byte, 8> bytes{};
    for (std::uint64_t offset = 0; offset < MmioDevice::kWindowBytes; ++offset) {
      for (const std::size_t width : {1U, 2U, 4U, 8U}) {
        if (offset + width > MmioDevice::kWindowBytes) continue;
        transport->read(offset, std::span(bytes).first(width));
        if (offset == VIRTIO_MMIO_STATUS) continue;
        for (const auto value : {std::byte{0}, std::byte{1}, std::byte{0xff}}) {
          bytes.fill(value);
          transport->write(offset, std::span(bytes).first(width));
        }
      }
    }
  }
  CHECK(transport->faults() > 10'000);
  driver.reset();
  driver.start(1);
  ask();
  driver.wait_used(0, 1);
}

TEST_CASE_METHOD(Fixture,
                 "another transport goes on from a saved state, also with what nobody has served yet") {
  driver.start(2);
  ask(0);
  driver.wait_used(0, 1);
  thread->pause();
  ask(1);
  const MmioTransportState state = transport->save();
  const std::uint16_t before = driver.queue(0).used_index();
  auto other = make();
  REQUIRE(other->restore(state));
  transport.reset();
  thread->resume();
  for (int waited = 0; driver.queue(0).used_index() == before; ++waited) {
    REQUIRE(waited < 60'000);
    ::usleep(1000);
  }
  CHECK(driver.queue(0).used(1).head == 1);
  CHECK(echo->starts == 1);
}

TEST_CASE_METHOD(Fixture, "a saved state that no driver can have made is refused") {
  driver.start(2);
  const MmioTransportState good = transport->save();
  const auto refused = [&](auto spoil) {
    MmioTransportState state = good;
    spoil(state);
    return !make()->restore(state).has_value();
  };
  CHECK(refused([](auto& s) { s.queues.pop_back(); }));
  CHECK(refused([](auto& s) { s.driver_features |= std::uint64_t{1} << 60; }));
  CHECK(refused([](auto& s) { s.status &= ~std::uint32_t{VIRTIO_CONFIG_S_FEATURES_OK}; }));
  CHECK(refused([](auto& s) { s.queues[0].queue.layout.size = 16; }));
  CHECK(refused([](auto& s) { s.queues[0].queue.layout.used = GuestAddr{1ULL << 40}; }));
}

TEST_CASE_METHOD(Fixture, "an interrupt that nobody has acknowledged is raised again after a restore") {
  driver.start(1);
  ask(0);
  driver.wait_used(0, 1);
  settle();
  thread->pause();
  const MmioTransportState state = transport->save();
  CHECK(state.interrupt_status == VIRTIO_MMIO_INT_VRING);
  auto other = make();
  REQUIRE(other->restore(state));
  MmioDriver again(*other, memory);
  CHECK(again.wait_interrupt() == VIRTIO_MMIO_INT_VRING);
  thread->resume();

  // And one that was, is not.
  thread->pause();
  const MmioTransportState acknowledged = other->save();
  auto third = make();
  REQUIRE(third->restore(acknowledged));
  CHECK(third->interrupt().take() == 0);
  thread->resume();
}
