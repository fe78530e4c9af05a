// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/block_device.hpp"
#include "common/check.hpp"
#include "common/guest_memory.hpp"
#include "common/log.hpp"
#include "common/unique_fd.hpp"
#include "runtime/virtio/device.hpp"
#include "runtime/virtio/queue.hpp"

// A guest whose memory is the fuzzer's input: rings, descriptors and requests alike.
namespace tl::virtio::fuzz {

// The bytes of an input, taken from the front; zeroes when there are no more.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : left_(std::as_bytes(std::span(data, size))) {}
  template <typename T>
  T take() {
    T value{};
    const auto bytes = take(sizeof value);
    std::copy(bytes.begin(), bytes.end(), std::as_writable_bytes(std::span(&value, 1)).begin());
    return value;
  }
  std::span<const std::byte> take(std::size_t count) {
    const auto taken = left_.first(std::min(count, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }
  [[nodiscard]] bool empty() const { return left_.empty(); }
  [[nodiscard]] std::span<const std::byte> rest() { return take(left_.size()); }

 private:
  std::span<const std::byte> left_;
};

// One for the whole run: to map it anew for every input would be most of the time.
class Guest {
 public:
  static constexpr std::uint64_t kBytes = 256 << 10;
  static constexpr std::uint64_t kRings = 0x1000;
  static constexpr std::uint64_t kQueueBytes = 0x400;  // the rings of one queue
  static constexpr std::uint16_t kQueueSize = 16;
  static constexpr std::size_t kMostInput = 64 << 10;

  static Guest& get() {
    static Guest guest;
    return guest;
  }
  // From kRings on, and zeroes behind.
  void fill(std::span<const std::byte> bytes) {
    const auto all = *memory.at({0}, kBytes);
    std::fill(all.begin(), all.end(), std::byte{0});
    const auto used = bytes.first(std::min(bytes.size(), kMostInput));
    if (!used.empty()) TL_CHECK(memory.write({kRings}, used));
  }
  [[nodiscard]] static QueueLayout layout(unsigned queue) {
    const std::uint64_t at = kRings + queue * kQueueBytes;
    return {kQueueSize, {at}, {at + 0x100}, {at + 0x200}};
  }

  UniqueFd nowhere{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  Log log{nowhere.get()};
  GuestMemory memory = *GuestMemory::create(kBytes);
};

// A driver that has accepted every feature.
class AnyDriver final : public Driver {
 public:
  AnyDriver(unsigned queues, bool event_index) {
    for (unsigned i = 0; i < queues; ++i) {
      QueueState state;
      state.layout = Guest::layout(i);
      state.features = {event_index, true};
      queues_.push_back(*Queue::create(Guest::get().memory, state));
    }
  }
  [[nodiscard]] bool has_accepted(unsigned) const override { return true; }
  [[nodiscard]] Queue* queue(unsigned index) override {
    return index < queues_.size() ? &queues_[index] : nullptr;
  }
  void interrupt_for(unsigned queue) override { static_cast<void>(queues_[queue].should_interrupt()); }
  void serve_again(unsigned) override {}
  void note_fault(std::string_view) override {}

 private:
  std::vector<Queue> queues_;
};

// Asserts what a device must have checked.
class CheckedDisk final : public BlockDevice {
 public:
  static constexpr std::uint64_t kBytes = 1 << 20;
  [[nodiscard]] std::uint64_t size_bytes() const override { return kBytes; }
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override {
    check(offset, into.size());
    std::fill(into.begin(), into.end(), std::byte{0x42});
    return {};
  }
  Result<void> write(std::uint64_t offset, std::span<const std::byte> from) override {
    check(offset, from.size());
    return {};
  }
  Result<void> write_zeroes(std::uint64_t offset, std::uint64_t length) override {
    check(offset, length);
    return {};
  }
  Result<void> discard(std::uint64_t offset, std::uint64_t length) override {
    check(offset, length);
    return {};
  }
  Result<void> flush() override { return {}; }

 private:
  static void check(std::uint64_t offset, std::uint64_t length) {
    TL_CHECK(offset % kSectorBytes == 0 && length % kSectorBytes == 0);
    TL_CHECK(offset <= kBytes && length <= kBytes - offset);
  }
};

}  // namespace tl::virtio::fuzz
