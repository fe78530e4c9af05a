// SPDX-License-Identifier: Apache-2.0
#include <linux/virtio_config.h>

#include <string>
#include <utility>

#include "runtime/virtio/mmio_transport.hpp"

namespace tl::virtio {
namespace {

constexpr std::string_view kBegin = "virtio-mmio 1";
constexpr std::uint32_t kMostQueues = 1024;

// In one piece, so that the bytes do not depend on how a structure is laid out.
struct PackedQueue {
  std::uint64_t descriptors;
  std::uint64_t available;
  std::uint64_t used;
  std::uint16_t size;
  std::uint16_t next_available;
  std::uint16_t next_used;
  std::uint16_t signalled_used;
  std::uint8_t event_index;
  std::uint8_t indirect;
  std::uint8_t ready;
  std::uint8_t unused[5];
};
static_assert(sizeof(PackedQueue) == 40);

PackedQueue pack(const MmioTransportState::QueueRegisters& registers) {
  const QueueState& queue = registers.queue;
  PackedQueue packed = {};
  packed.descriptors = queue.layout.descriptors.value;
  packed.available = queue.layout.available.value;
  packed.used = queue.layout.used.value;
  packed.size = queue.layout.size;
  packed.next_available = queue.next_available;
  packed.next_used = queue.next_used;
  packed.signalled_used = queue.signalled_used;
  packed.event_index = queue.features.event_index ? 1 : 0;
  packed.indirect = queue.features.indirect ? 1 : 0;
  packed.ready = registers.ready ? 1 : 0;
  return packed;
}

MmioTransportState::QueueRegisters unpack(const PackedQueue& packed) {
  MmioTransportState::QueueRegisters registers;
  QueueState& queue = registers.queue;
  queue.layout = {packed.size, GuestAddr{packed.descriptors}, GuestAddr{packed.available},
                  GuestAddr{packed.used}};
  queue.features = {packed.event_index != 0, packed.indirect != 0};
  queue.next_available = packed.next_available;
  queue.next_used = packed.next_used;
  queue.signalled_used = packed.signalled_used;
  registers.ready = packed.ready != 0;
  return registers;
}

}  // namespace

void MmioTransportState::write_to(StateWriter& to) const {
  to.mark(kBegin);
  for (const std::uint32_t value : {status, interrupt_status, device_features_select, driver_features_select,
                                    queue_select, static_cast<std::uint32_t>(queues.size())})
    to.put(value);
  to.put(driver_features);
  for (const QueueRegisters& registers : queues) to.put(pack(registers));
}

Result<MmioTransportState> MmioTransportState::read_from(StateReader& from) {
  MmioTransportState state;
  std::uint32_t queues = 0;
  if (auto got = from.expect(kBegin); !got) return got.error();
  for (std::uint32_t* value : {&state.status, &state.interrupt_status, &state.device_features_select,
                               &state.driver_features_select, &state.queue_select, &queues}) {
    if (auto got = from.get(*value); !got) return got.error();
  }
  if (auto got = from.get(state.driver_features); !got) return got.error();
  if (queues > kMostQueues)
    return Error{ErrorCode::kOutOfRange, "a saved device has an impossible number of queues", ""};
  for (std::uint32_t i = 0; i < queues; ++i) {
    PackedQueue packed = {};
    if (auto got = from.get(packed); !got) return got.error();
    state.queues.push_back(unpack(packed));
  }
  return state;
}

MmioTransportState MmioTransport::save() const {
  MmioTransportState state;
  state.status = status_;
  state.interrupt_status = interrupt_status_.load();
  state.device_features_select = device_features_select_;
  state.driver_features_select = driver_features_select_;
  state.queue_select = queue_select_;
  state.driver_features = driver_features_;
  for (const QueueSlot& slot : queues_) {
    MmioTransportState::QueueRegisters registers;
    registers.ready = slot.queue.has_value();
    if (slot.queue) registers.queue = slot.queue->state();
    registers.queue.layout = slot.layout;
    state.queues.push_back(registers);
  }
  return state;
}

Result<void> MmioTransport::restore(const MmioTransportState& state) {
  const auto refuse = [this](const std::string& what) {
    return Error{ErrorCode::kOutOfRange, device_->traits().name + ": saved state: " + what, ""};
  };
  TL_CHECK(!started_);
  if (state.queues.size() != queues_.size()) return refuse("another number of queues");
  if ((state.driver_features & ~offered()) != 0) return refuse("features that are not offered");
  const bool running = (state.status & VIRTIO_CONFIG_S_DRIVER_OK) != 0;
  if (running && (state.status & VIRTIO_CONFIG_S_FEATURES_OK) == 0) return refuse("a status that cannot be");
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    queues_[i].layout = state.queues[i].queue.layout;
    if (!state.queues[i].ready) continue;
    if (queues_[i].layout.size > device_->traits().queue_sizes[i]) return refuse("a queue that is too long");
    auto made = Queue::create(memory_, state.queues[i].queue);
    if (!made) return made.error();
    queues_[i].queue = *std::move(made);
    serve_again(static_cast<unsigned>(i));  // what was notified and not yet served
  }
  status_ = state.status;
  interrupt_status_ = state.interrupt_status;
  device_features_select_ = state.device_features_select;
  driver_features_select_ = state.driver_features_select;
  queue_select_ = state.queue_select;
  driver_features_ = state.driver_features;
  // What has not been acknowledged may have been on its way to the guest, and have got lost: a driver that
  // knows it already finds no cause.
  if (state.interrupt_status != 0) interrupt_.signal();
  if (running) start_device();
  return {};
}

}  // namespace tl::virtio
