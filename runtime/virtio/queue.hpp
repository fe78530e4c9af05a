// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/guest_memory.hpp"
#include "common/result.hpp"
#include "runtime/virtio/chain.hpp"

namespace tl::virtio {

// Where a driver has put a queue, and how long it is.
struct QueueLayout {
  std::uint16_t size = 0;  // descriptors; a power of two, at most Queue::kMaxSize
  GuestAddr descriptors;   // 16 bytes each, aligned to 16
  GuestAddr available;     // aligned to 2
  GuestAddr used;          // aligned to 4
};

// What of the negotiated features concerns queues.
struct QueueFeatures {
  bool event_index = false;  // VIRTIO_F_EVENT_IDX
  bool indirect = false;     // VIRTIO_F_INDIRECT_DESC
};

// What has to be known beside the guest's memory to go on with a queue; plain data.
struct QueueState {
  QueueLayout layout;
  QueueFeatures features;
  std::uint16_t next_available = 0;  // index of the next chain to be taken
  std::uint16_t next_used = 0;       // index of the next chain to be given back
  std::uint16_t signalled_used = 0;  // next_used when the driver was last considered for an interrupt
};

// The device's side of a split virtqueue (virtio 1.2, §2.7). Everything in it is the guest's, and as wrong as
// the guest likes: each index, length and address is copied once, checked, then used. A queue in which
// something is wrong is broken for good, since nobody can say what the driver meant: it gives no more chains,
// and the device says DEVICE_NEEDS_RESET.
//
// One thread at a time.
class Queue {
 public:
  static constexpr std::uint16_t kMaxSize = 1024;

  // kOutOfRange, with what is wrong, for a layout that no driver may choose.
  static Result<Queue> create(const GuestMemory& memory, const QueueState& state);

  // How many chains the driver has ever made available, modulo 2^16.
  [[nodiscard]] std::uint16_t available_index() const;
  // The next request; nothing when there is none, or when the queue is broken.
  std::optional<Chain> pop();
  // As if the last `count` pop() had not been: the chains come again. Nothing was pushed since.
  void put_back(std::size_t count = 1) {
    state_.next_available = static_cast<std::uint16_t>(state_.next_available - count);
  }
  // A chain to give back. `written`: how many bytes the device wrote, from the beginning of the writable
  // part.
  struct Used {
    std::uint32_t head;
    std::uint32_t written;
  };
  // All of them are there for the driver, or none.
  void push(std::span<const Used> chains);
  void push(std::uint16_t head, std::uint32_t written) {
    const Used one{head, written};
    push({&one, 1});
  }

  // Whether the driver wants to be interrupted for what was pushed since the last call. Once for each batch.
  [[nodiscard]] bool should_interrupt();

  // Asks for a notification of the next chain. True: one has come meanwhile and may not be notified; pop it.
  [[nodiscard]] bool enable_notification();
  // Notifications are not needed until further notice; they may come all the same.
  void disable_notification();

  // Empty while the queue is fine, else one sentence for the log.
  [[nodiscard]] const std::string& broken() const { return broken_; }
  [[nodiscard]] const QueueState& state() const { return state_; }

 private:
  struct Descriptor;
  Queue(const GuestMemory& memory, const QueueState& state) : memory_(&memory), state_(state) {}

  enum class Table { kOwn, kIndirect };
  [[nodiscard]] bool collect(Table kind, std::span<const std::byte> table, std::uint16_t first, Chain& chain);
  [[nodiscard]] bool add(const Descriptor& descriptor, Chain& chain);
  [[nodiscard]] bool add_indirect(const Descriptor& descriptor, Chain& chain);
  bool fail(std::string why);

  const GuestMemory* memory_;
  QueueState state_;
  std::span<std::byte> descriptors_;
  std::span<std::byte> available_;
  std::span<std::byte> used_;
  std::uint16_t collected_ = 0;  // descriptors of the present chain
  std::uint64_t collected_bytes_ = 0;
  std::string broken_;
};

}  // namespace tl::virtio
