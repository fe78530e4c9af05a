// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "common/guest_memory.hpp"
#include "runtime/virtio/queue.hpp"
#include "tests/support/catch.hpp"

namespace tl::virtio::test {

// The driver's side of a virtqueue, by the letter of the specification but for what a test does wrong on
// purpose: it writes real rings into a guest's memory. The rings are in the first pages from `base` on,
// buffers behind.
class FakeDriver {
 public:
  static constexpr std::uint16_t kNext = 1, kWrite = 2, kIndirect = 4;
  static constexpr GuestAddr kDescriptors{0x1000}, kAvailable{0x6000}, kUsed{0x8000}, kTable{0xc000};
  static constexpr GuestAddr kBuffers{0x20000};

  struct Descriptor {
    std::uint64_t address = 0;
    std::uint32_t length = 0;
    std::uint16_t flags = 0;
    std::uint16_t next = 0;
  };

  FakeDriver(const GuestMemory& memory, std::uint16_t size, GuestAddr base = {})
      : memory_(memory), size_(size), base_(base.value) {
    // What a queue at the same place has left.
    const std::vector<std::byte> zeroes(kTable.value - kDescriptors.value);
    REQUIRE(memory_.write(kDescriptors + base_, zeroes));
  }

  [[nodiscard]] QueueLayout layout() const {
    return {size_, kDescriptors + base_, kAvailable + base_, kUsed + base_};
  }

  void set(std::uint16_t index, const Descriptor& descriptor) {
    set(kDescriptors + base_, index, descriptor);
  }
  void set(GuestAddr table, std::uint16_t index, const Descriptor& descriptor) {
    REQUIRE(memory_.store(table + std::uint64_t{index} * 16, descriptor));
  }
  // The descriptors, one behind the other from `first` on, chained.
  void set_chain(std::uint16_t first, std::vector<Descriptor> chain) {
    for (std::size_t i = 0; i < chain.size(); ++i) {
      const auto index = static_cast<std::uint16_t>(first + i);
      if (i + 1 < chain.size()) {
        chain[i].flags |= kNext;
        chain[i].next = static_cast<std::uint16_t>(index + 1);
      }
      set(index, chain[i]);
    }
  }
  // Makes the chain that begins at `head` available.
  void offer(std::uint16_t head) {
    REQUIRE(memory_.store(kAvailable + base_ + 4 + std::uint64_t{next_} % size_ * 2, head));
    set_available_index(++next_);
  }
  void set_available_index(std::uint16_t index) { REQUIRE(memory_.store(kAvailable + base_ + 2, index)); }
  void set_available_flags(std::uint16_t flags) { REQUIRE(memory_.store(kAvailable + base_, flags)); }
  void set_used_event(std::uint16_t index) {
    REQUIRE(memory_.store(kAvailable + base_ + 4 + std::uint64_t{size_} * 2, index));
  }

  struct Used {
    std::uint32_t head;
    std::uint32_t written;
  };
  [[nodiscard]] Used used(std::uint16_t slot) const {
    return memory_.load<Used>(kUsed + base_ + 4 + std::uint64_t{slot} * 8).value();
  }
  [[nodiscard]] std::uint16_t used_index() const {
    return memory_.load<std::uint16_t>(kUsed + base_ + 2).value();
  }
  [[nodiscard]] std::uint16_t used_flags() const {
    return memory_.load<std::uint16_t>(kUsed + base_).value();
  }
  [[nodiscard]] std::uint16_t available_event() const {
    return memory_.load<std::uint16_t>(kUsed + base_ + 4 + std::uint64_t{size_} * 8).value();
  }

 private:
  const GuestMemory& memory_;
  std::uint16_t size_;
  std::uint64_t base_;
  std::uint16_t next_ = 0;
};

}  // namespace tl::virtio::test
