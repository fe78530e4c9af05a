// SPDX-License-Identifier: Apache-2.0
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

}  // namespace tl::virtio
