// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/guest_memory.hpp"
#include "common/mmio_device.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fake_driver.hpp"

namespace tl::virtio::test {

// A guest's driver for a device behind virtio-mmio: finds it, agrees with it, sets up queues, and rings, as
// the specification has it (virtio 1.2, §3.1.1 and §4.2.3). Each queue has rings and buffers of its own.
class MmioDriver {
 public:
  static constexpr std::uint64_t kQueueArea = 0x100000;
  static constexpr int kPatienceMs = 60'000;

  MmioDriver(MmioDevice& device, const GuestMemory& memory) : device_(device), memory_(memory) {}

  std::uint32_t read(std::uint64_t at) {
    std::uint32_t value = 0;
    device_.read(at, std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }
  void write(std::uint64_t at, std::uint32_t value) {
    device_.write(at, std::as_bytes(std::span(&value, 1)));
  }
  template <typename T>
  T config(std::uint64_t at = 0) {
    T value;
    device_.read(VIRTIO_MMIO_CONFIG + at, std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }

  [[nodiscard]] std::uint32_t status() { return read(VIRTIO_MMIO_STATUS); }
  void add_status(std::uint32_t bit) { write(VIRTIO_MMIO_STATUS, status() | bit); }
  void reset() { write(VIRTIO_MMIO_STATUS, 0); }

  std::uint64_t offered() {
    write(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    const std::uint64_t high = read(VIRTIO_MMIO_DEVICE_FEATURES);
    write(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
    return high << 32 | read(VIRTIO_MMIO_DEVICE_FEATURES);
  }
  void accept(std::uint64_t features) {
    write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
    write(VIRTIO_MMIO_DRIVER_FEATURES, static_cast<std::uint32_t>(features));
    write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    write(VIRTIO_MMIO_DRIVER_FEATURES, static_cast<std::uint32_t>(features >> 32));
  }

  // Up to FEATURES_OK, with all that is offered but `without`.
  void negotiate(std::uint64_t without = std::uint64_t{1} << 29) {  // the event index, unless a test wants it
    add_status(VIRTIO_CONFIG_S_ACKNOWLEDGE);
    add_status(VIRTIO_CONFIG_S_DRIVER);
    accept(offered() & ~without);
    add_status(VIRTIO_CONFIG_S_FEATURES_OK);
    REQUIRE((status() & VIRTIO_CONFIG_S_FEATURES_OK) != 0);
  }
  void set_up_queue(std::uint32_t index, std::uint16_t size = 8) {
    while (queues_.size() <= index) {
      queues_.push_back(std::make_unique<FakeDriver>(memory_, size, GuestAddr{queues_.size() * kQueueArea}));
    }
    queues_[index] = std::make_unique<FakeDriver>(memory_, size, GuestAddr{index * kQueueArea});
    place(index, queues_[index]->layout());
    write(VIRTIO_MMIO_QUEUE_READY, 1);
  }
  void place(std::uint32_t index, const QueueLayout& layout) {
    write(VIRTIO_MMIO_QUEUE_SEL, index);
    write(VIRTIO_MMIO_QUEUE_NUM, layout.size);
    const auto put = [&](std::uint64_t low, std::uint64_t high, GuestAddr address) {
      write(low, static_cast<std::uint32_t>(address.value));
      write(high, static_cast<std::uint32_t>(address.value >> 32));
    };
    put(VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH, layout.descriptors);
    put(VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, layout.available);
    put(VIRTIO_MMIO_QUEUE_USED_LOW, VIRTIO_MMIO_QUEUE_USED_HIGH, layout.used);
  }
  // Everything, up to DRIVER_OK.
  void start(std::uint32_t queues, std::uint16_t size = 8) {
    negotiate();
    for (std::uint32_t i = 0; i < queues; ++i) set_up_queue(i, size);
    add_status(VIRTIO_CONFIG_S_DRIVER_OK);
  }

  FakeDriver& queue(std::uint32_t index) { return *queues_[index]; }
  // The address of a buffer of the queue.
  static GuestAddr buffer(std::uint32_t queue, std::uint64_t offset = 0) {
    return FakeDriver::kBuffers + queue * kQueueArea + offset;
  }
  // As KVM does for a store to QueueNotify.
  void ring() { device_.doorbell()->event->signal(); }
  // Offers a chain and rings.
  void send(std::uint32_t queue, std::uint16_t head, std::vector<FakeDriver::Descriptor> chain) {
    queues_[queue]->set_chain(head, std::move(chain));
    queues_[queue]->offer(head);
    ring();
  }
  // Until the device has given back `count` chains, or more, in all.
  void wait_used(std::uint32_t queue, std::uint16_t count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
    while (static_cast<std::int16_t>(queues_[queue]->used_index() - count) < 0) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      ::usleep(100);
    }
  }
  // An interrupt, acknowledged; its causes.
  std::uint32_t wait_interrupt() {
    pollfd entry{device_.interrupt().fd(), POLLIN, 0};
    REQUIRE(::poll(&entry, 1, kPatienceMs) == 1);
    device_.interrupt().take();
    const std::uint32_t causes = read(VIRTIO_MMIO_INTERRUPT_STATUS);
    write(VIRTIO_MMIO_INTERRUPT_ACK, causes);
    return causes;
  }
  bool was_interrupted() { return device_.interrupt().take() != 0; }

  void put(GuestAddr at, const std::string& text) {
    REQUIRE(memory_.write(at, std::as_bytes(std::span(text))));
  }
  std::string get(GuestAddr at, std::size_t bytes) {
    std::string text(bytes, '\0');
    REQUIRE((bytes == 0 || memory_.read(at, std::as_writable_bytes(std::span(text)))));
    return text;
  }

 private:
  MmioDevice& device_;
  const GuestMemory& memory_;
  std::vector<std::unique_ptr<FakeDriver>> queues_;
};

}  // namespace tl::virtio::test
