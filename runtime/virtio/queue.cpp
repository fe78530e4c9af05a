// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/queue.hpp"

#define VIRTIO_RING_NO_LEGACY  // the rest is C
#include <linux/virtio_ring.h>

#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

// Two processors look at a queue at the same time, the guest's and ours, and nothing but the order of loads
// and stores keeps them together:
//
//   - The driver fills descriptors, then raises available.idx. We load the index with *acquire*, so that what
//     we read behind it is at least as new.
//   - We fill a used element, then raise used.idx with *release*, for the same reason on the other side.
//   - Both sides may sleep, and each tells the other when to wake it. We store "wake me from here on" (the
//   flags
//     or avail_event) and then look whether something has come meanwhile; the driver stores the index and
//     then looks whether we want to be woken. Each stores first and loads second, which processors are free
//     to turn round, so a *full fence* stands between the two. Without it both may miss each other and sleep.
//     The same holds for our used.idx and the driver's used_event.
//
// Indices count up to 65535 and wrap; differences are taken modulo 65536.
namespace tl::virtio {
namespace {

constexpr std::size_t kDescriptorBytes = 16;
constexpr std::size_t kIndexAt = 2;  // in the available and the used ring; the flags are at 0
constexpr std::size_t kRingAt = 4;
constexpr std::size_t kUsedElementBytes = 8;
// "A driver MUST NOT add a descriptor chain longer than 2^32 bytes in total" (§2.7.4.1).
constexpr std::uint64_t kMaxChainBytes = std::numeric_limits<std::uint32_t>::max();

std::size_t available_bytes(std::size_t size) {
  return kRingAt + 2 * size + 2;  // the last is used_event
}
std::size_t used_bytes(std::size_t size) {
  return kRingAt + kUsedElementBytes * size + 2;  // the last is avail_event
}

// A 16-bit field of a ring, which the guest may change at any moment. The rings are aligned to 2.
std::atomic_ref<std::uint16_t> field(std::span<std::byte> ring, std::size_t at) {
  return std::atomic_ref<std::uint16_t>(*reinterpret_cast<std::uint16_t*>(ring.data() + at));
}

Error out_of_range(const std::string& what) {
  return Error{ErrorCode::kOutOfRange, "virtqueue: " + what, ""};
}

}  // namespace

// As the guest has it in memory, and little-endian as we are.
struct Queue::Descriptor {
  std::uint64_t address;
  std::uint32_t length;
  std::uint16_t flags;
  std::uint16_t next;

  static Descriptor load(std::span<const std::byte> table, std::size_t index) {
    static_assert(sizeof(Descriptor) == kDescriptorBytes);
    Descriptor copy;
    std::memcpy(&copy, table.data() + index * kDescriptorBytes, sizeof copy);
    return copy;
  }
};

Result<Queue> Queue::create(const GuestMemory& memory, const QueueState& state) {
  const QueueLayout& layout = state.layout;
  if (!std::has_single_bit(layout.size) || layout.size > kMaxSize)
    return out_of_range("a size of " + std::to_string(layout.size));
  Queue queue(memory, state);
  const auto place = [&](GuestAddr at, std::uint64_t bytes, std::uint64_t alignment,
                         std::span<std::byte>& into) {
    const auto there = memory.at(at, bytes);
    if (!there || at.value % alignment != 0) return false;
    into = *there;
    return true;
  };
  if (!place(layout.descriptors, kDescriptorBytes * layout.size, 16, queue.descriptors_))
    return out_of_range("the descriptor table is outside of the memory, or not aligned to 16");
  if (!place(layout.available, available_bytes(layout.size), 2, queue.available_))
    return out_of_range("the available ring is outside of the memory, or not aligned to 2");
  if (!place(layout.used, used_bytes(layout.size), 4, queue.used_))
    return out_of_range("the used ring is outside of the memory, or not aligned to 4");
  return queue;
}

std::uint16_t Queue::available_index() const {
  return field(available_, kIndexAt).load(std::memory_order_acquire);
}

bool Queue::fail(std::string why) {
  if (broken_.empty()) broken_ = std::move(why);
  return false;
}

std::optional<Chain> Queue::pop() {
  if (!broken_.empty()) return std::nullopt;
  const auto waiting = static_cast<std::uint16_t>(available_index() - state_.next_available);
  if (waiting == 0) return std::nullopt;
  if (waiting > state_.layout.size) {
    fail("the driver offers " + std::to_string(waiting) + " chains in a queue of " +
         std::to_string(state_.layout.size));
    return std::nullopt;
  }
  const std::size_t slot = state_.next_available % state_.layout.size;
  Chain chain;
  chain.head = field(available_, kRingAt + 2 * slot).load(std::memory_order_relaxed);
  collected_ = 0;
  collected_bytes_ = 0;
  if (!collect(Table::kOwn, descriptors_, chain.head, chain)) return std::nullopt;
  ++state_.next_available;
  return chain;
}

// Follows a chain through the queue's own table, and from there through at most one indirect one. It ends,
// because no chain has more than kMaxSize descriptors. (No more than the queue, says §2.7.5.3.1; Linux allows
// itself more in an indirect table.)
bool Queue::collect(Table kind, std::span<const std::byte> table, std::uint16_t first, Chain& chain) {
  const std::size_t entries = table.size() / kDescriptorBytes;
  for (std::uint16_t index = first;;) {
    if (index >= entries) return fail("descriptor " + std::to_string(index) + " does not exist");
    if (collected_++ == kMaxSize) return fail("a chain goes round or is too long");
    const Descriptor descriptor = Descriptor::load(table, index);
    const bool indirect = (descriptor.flags & VRING_DESC_F_INDIRECT) != 0;
    const bool more = (descriptor.flags & VRING_DESC_F_NEXT) != 0;
    if (indirect) {
      if (!state_.features.indirect) return fail("an indirect descriptor without the feature");
      if (kind == Table::kIndirect) return fail("an indirect descriptor in an indirect table");
      if (more) return fail("an indirect descriptor that goes on");
      return add_indirect(descriptor, chain);
    }
    if (!add(descriptor, chain)) return false;
    if (!more) return true;
    index = descriptor.next;
  }
}

bool Queue::add(const Descriptor& descriptor, Chain& chain) {
  const bool writable = (descriptor.flags & VRING_DESC_F_WRITE) != 0;
  if (!writable && !chain.writable.empty()) return fail("a readable descriptor behind a writable one");
  if (descriptor.length == 0) return true;
  collected_bytes_ += descriptor.length;
  if (collected_bytes_ > kMaxChainBytes) return fail("a chain of more than 4 GiB");
  const auto there = memory_->at(GuestAddr{descriptor.address}, descriptor.length);
  if (!there) return fail("a descriptor points outside of the memory");
  (writable ? chain.writable : chain.readable).push_back(*there);
  return true;
}

bool Queue::add_indirect(const Descriptor& descriptor, Chain& chain) {
  if (descriptor.length == 0 || descriptor.length % kDescriptorBytes != 0)
    return fail("an indirect table of " + std::to_string(descriptor.length) + " bytes");
  const auto table = memory_->at(GuestAddr{descriptor.address}, descriptor.length);
  if (!table) return fail("an indirect table outside of the memory");
  return collect(Table::kIndirect, *table, 0, chain);
}

void Queue::push(std::span<const Used> chains) {
  static_assert(sizeof(Used) == kUsedElementBytes);
  for (const Used& chain : chains) {
    const std::size_t slot = state_.next_used % state_.layout.size;
    std::memcpy(used_.data() + kRingAt + kUsedElementBytes * slot, &chain, sizeof chain);
    ++state_.next_used;
  }
  field(used_, kIndexAt).store(state_.next_used, std::memory_order_release);
}

bool Queue::should_interrupt() {
  const std::uint16_t before = std::exchange(state_.signalled_used, state_.next_used);
  if (before == state_.next_used) return false;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!state_.features.event_index) {
    return (field(available_, 0).load(std::memory_order_relaxed) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
  }
  const std::size_t used_event = available_.size() - 2;
  return vring_need_event(field(available_, used_event).load(std::memory_order_relaxed), state_.next_used,
                          before) != 0;
}

bool Queue::enable_notification() {
  if (state_.features.event_index) {
    const std::size_t avail_event = used_.size() - 2;
    field(used_, avail_event).store(state_.next_available, std::memory_order_relaxed);
  } else {
    field(used_, 0).store(0, std::memory_order_relaxed);
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return broken_.empty() && available_index() != state_.next_available;
}

void Queue::disable_notification() {
  // With the event index nothing is to be done: avail_event stays where the driver has been.
  if (!state_.features.event_index) field(used_, 0).store(VRING_USED_F_NO_NOTIFY, std::memory_order_relaxed);
}

}  // namespace tl::virtio
