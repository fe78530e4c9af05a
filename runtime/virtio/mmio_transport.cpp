// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/mmio_transport.hpp"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#define VIRTIO_RING_NO_LEGACY  // the rest is C
#include <linux/virtio_ring.h>

#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace tl::virtio {
namespace {

constexpr std::uint32_t kMagic = 0x74726976;  // "virt"
constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kVendor = 0x6c74;  // "tl"
constexpr std::uint32_t kQueueNotReady = 0;

constexpr std::uint64_t bit(unsigned number) {
  return std::uint64_t{1} << number;
}

constexpr std::uint64_t kTransportFeatures =
    bit(VIRTIO_F_VERSION_1) | bit(VIRTIO_RING_F_INDIRECT_DESC) | bit(VIRTIO_RING_F_EVENT_IDX);

constexpr std::uint32_t low(std::uint64_t value) {
  return static_cast<std::uint32_t>(value);
}
constexpr std::uint32_t high(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32);
}

void set_low(GuestAddr& address, std::uint32_t value) {
  address.value = (address.value & ~std::uint64_t{0xffffffff}) | value;
}
void set_high(GuestAddr& address, std::uint32_t value) {
  address.value = (address.value & 0xffffffff) | std::uint64_t{value} << 32;
}

}  // namespace

Result<std::unique_ptr<MmioTransport>> MmioTransport::create(std::unique_ptr<Device> device,
                                                             const GuestMemory& memory, IoThread& thread,
                                                             const Log& log) {
  auto interrupt = EventFd::create();
  if (!interrupt) return interrupt.error();
  auto doorbell = EventFd::create();
  if (!doorbell) return doorbell.error();
  std::unique_ptr<MmioTransport> transport(
      new MmioTransport(std::move(device), memory, thread, log, *std::move(interrupt), *std::move(doorbell)));
  const auto lock = thread.exclusive();
  transport->watch_ =
      thread.watch(transport->doorbell_.fd(), [self = transport.get()] { self->on_doorbell(); });
  transport->watch_->want(true, false);
  return transport;
}

MmioTransport::MmioTransport(std::unique_ptr<Device> device, const GuestMemory& memory, IoThread& thread,
                             const Log& log, EventFd interrupt, EventFd doorbell)
    : device_(std::move(device)),
      memory_(memory),
      thread_(thread),
      faults_(log, device_->traits().name),
      interrupt_(std::move(interrupt)),
      doorbell_(std::move(doorbell)),
      queues_(device_->traits().queue_sizes.size()) {}

MmioTransport::~MmioTransport() {
  const auto lock = thread_.exclusive();
  if (started_) device_->stop();
  watch_.reset();
  device_.reset();
}

std::optional<MmioDevice::Doorbell> MmioTransport::doorbell() const {
  return Doorbell{VIRTIO_MMIO_QUEUE_NOTIFY, &doorbell_};
}

void MmioTransport::read(std::uint64_t offset, std::span<std::byte> into) {
  std::memset(into.data(), 0, into.size());
  if (offset >= VIRTIO_MMIO_CONFIG) {
    const auto lock = thread_.exclusive();
    const auto config = device_->config();
    const std::uint64_t at = offset - VIRTIO_MMIO_CONFIG;
    for (std::size_t i = 0; i < into.size() && at + i < config.size(); ++i) into[i] = config[at + i];
    return;
  }
  // Registers are 32 bits wide and aligned (§4.2.2.2).
  if (offset % 4 != 0 || into.size() != 4) {
    faults_.note(fmt::format("a load of {} bytes at register {:#x}", into.size(), offset));
    return;
  }
  const std::uint32_t value = read_register(offset);
  std::memcpy(into.data(), &value, sizeof value);
}

std::uint32_t MmioTransport::read_register(std::uint64_t offset) {
  if (offset == VIRTIO_MMIO_INTERRUPT_STATUS) return interrupt_status_.load();
  const auto lock = thread_.exclusive();
  switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE:
      return kMagic;
    case VIRTIO_MMIO_VERSION:
      return kVersion;
    case VIRTIO_MMIO_DEVICE_ID:
      return device_->traits().id;
    case VIRTIO_MMIO_VENDOR_ID:
      return kVendor;
    case VIRTIO_MMIO_DEVICE_FEATURES:
      if (device_features_select_ > 1) return 0;
      return device_features_select_ == 0 ? low(offered()) : high(offered());
    case VIRTIO_MMIO_QUEUE_NUM_MAX:
      return queue_select_ < queues_.size() ? device_->traits().queue_sizes[queue_select_] : 0;
    case VIRTIO_MMIO_QUEUE_READY:
      return selected() != nullptr && selected()->queue ? 1 : kQueueNotReady;
    case VIRTIO_MMIO_STATUS:
      return status_;
    case VIRTIO_MMIO_CONFIG_GENERATION:
      return 0;  // no configuration here ever changes
    case VIRTIO_MMIO_SHM_LEN_LOW:
    case VIRTIO_MMIO_SHM_LEN_HIGH:
    case VIRTIO_MMIO_SHM_BASE_LOW:
    case VIRTIO_MMIO_SHM_BASE_HIGH:
      return 0xffffffff;  // there is no shared memory (§4.2.2.1)
    default:
      faults_.note(fmt::format("a load from register {:#x}, which cannot be read", offset));
      return 0;
  }
}

void MmioTransport::write(std::uint64_t offset, std::span<const std::byte> from) {
  if (offset >= VIRTIO_MMIO_CONFIG) {
    faults_.note("a store to the configuration space");  // no device here has a writable field
    return;
  }
  if (offset % 4 != 0 || from.size() != 4) {
    faults_.note(fmt::format("a store of {} bytes at register {:#x}", from.size(), offset));
    return;
  }
  std::uint32_t value = 0;
  std::memcpy(&value, from.data(), sizeof value);
  write_register(offset, value);
}

void MmioTransport::write_register(std::uint64_t offset, std::uint32_t value) {
  if (offset == VIRTIO_MMIO_INTERRUPT_ACK) {
    interrupt_status_.fetch_and(~value);
    return;
  }
  if (offset == VIRTIO_MMIO_QUEUE_NOTIFY) {
    if (value < queues_.size()) {
      doorbell_.signal();
    } else {
      faults_.note(fmt::format("a notification of queue {}, which does not exist", value));
    }
    return;
  }
  const auto lock = thread_.exclusive();
  switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
      device_features_select_ = value;
      return;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
      driver_features_select_ = value;
      return;
    case VIRTIO_MMIO_DRIVER_FEATURES:
      return write_driver_features(value);
    case VIRTIO_MMIO_QUEUE_SEL:
      queue_select_ = value;
      return;
    case VIRTIO_MMIO_STATUS:
      return write_status(value);
    case VIRTIO_MMIO_SHM_SEL:
      return;
    default:
      return write_queue_register(offset, value);
  }
}

void MmioTransport::write_driver_features(std::uint32_t value) {
  if ((status_ & VIRTIO_CONFIG_S_FEATURES_OK) != 0) {
    faults_.note("features are written after they were agreed on");
    return;
  }
  if (driver_features_select_ > 1) return;
  GuestAddr both{driver_features_};
  if (driver_features_select_ == 0) {
    set_low(both, value);
  } else {
    set_high(both, value);
  }
  driver_features_ = both.value;
}

void MmioTransport::write_queue_register(std::uint64_t offset, std::uint32_t value) {
  QueueSlot* const slot = selected();
  if (slot == nullptr) {
    faults_.note(fmt::format("a store to register {:#x} with no queue selected", offset));
    return;
  }
  if (offset == VIRTIO_MMIO_QUEUE_READY && value == kQueueNotReady) {
    slot->queue.reset();
    return;
  }
  // §4.2.2.2: a queue that is in use is not changed.
  if (slot->queue) {
    faults_.note(fmt::format("a store to register {:#x} of a queue that is ready", offset));
    return;
  }
  switch (offset) {
    case VIRTIO_MMIO_QUEUE_NUM:
      // What does not fit is refused when the queue becomes ready.
      slot->layout.size = value > device_->traits().queue_sizes[queue_select_]
                              ? std::uint16_t{0}
                              : static_cast<std::uint16_t>(value);
      return;
    case VIRTIO_MMIO_QUEUE_READY:
      return set_queue_ready(*slot);
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
      return set_low(slot->layout.descriptors, value);
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
      return set_high(slot->layout.descriptors, value);
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
      return set_low(slot->layout.available, value);
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
      return set_high(slot->layout.available, value);
    case VIRTIO_MMIO_QUEUE_USED_LOW:
      return set_low(slot->layout.used, value);
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
      return set_high(slot->layout.used, value);
    default:
      faults_.note(fmt::format("a store to register {:#x}, which cannot be written", offset));
  }
}

void MmioTransport::set_queue_ready(QueueSlot& slot) {
  if ((status_ & VIRTIO_CONFIG_S_FEATURES_OK) == 0 || is_live()) {
    faults_.note("a queue is set up at the wrong time");
    return;
  }
  QueueState state;
  state.layout = slot.layout;
  state.features.event_index = has_accepted(VIRTIO_RING_F_EVENT_IDX);
  state.features.indirect = has_accepted(VIRTIO_RING_F_INDIRECT_DESC);
  auto made = Queue::create(memory_, state);
  if (!made) {
    faults_.note(made.error().message);
    return;
  }
  slot.queue = *std::move(made);
  slot.seen = state.next_available;
}

void MmioTransport::write_status(std::uint32_t value) {
  if (value == 0) return reset();
  // §2.1.1: bits are set one after the other and never cleared but by a reset.
  std::uint32_t added = value & ~status_ & ~std::uint32_t{VIRTIO_CONFIG_S_NEEDS_RESET};
  if ((status_ & ~value & ~std::uint32_t{VIRTIO_CONFIG_S_NEEDS_RESET}) != 0)
    faults_.note("a bit of the device status is cleared");
  if ((added & VIRTIO_CONFIG_S_FEATURES_OK) != 0) {
    const bool possible = (driver_features_ & ~offered()) == 0 && has_accepted(VIRTIO_F_VERSION_1);
    if (!possible) {
      faults_.note(fmt::format("features {:#x} are not what was offered", driver_features_));
      added &= ~std::uint32_t{VIRTIO_CONFIG_S_FEATURES_OK};
    }
  }
  if ((added & VIRTIO_CONFIG_S_DRIVER_OK) != 0 && ((status_ | added) & VIRTIO_CONFIG_S_FEATURES_OK) == 0) {
    faults_.note("the driver is ready before features were agreed on");
    added &= ~std::uint32_t{VIRTIO_CONFIG_S_DRIVER_OK};
  }
  status_ |= added;
  if ((added & VIRTIO_CONFIG_S_DRIVER_OK) != 0) start_device();
}

void MmioTransport::start_device() {
  started_ = true;
  device_->start(*this);
}

void MmioTransport::reset() {
  if (std::exchange(started_, false)) device_->stop();
  for (QueueSlot& slot : queues_) {
    slot = {};
  }
  doorbell_.take();
  status_ = 0;
  driver_features_ = 0;
  device_features_select_ = 0;
  driver_features_select_ = 0;
  queue_select_ = 0;
  interrupt_status_ = 0;
}

void MmioTransport::on_doorbell() {
  doorbell_.take();
  if (!is_live()) return;
  for (unsigned i = 0; i < queues_.size(); ++i) {
    QueueSlot& slot = queues_[i];
    if (!slot.queue) continue;
    // Looked at before it is served: what comes meanwhile rings again.
    const std::uint16_t now = slot.queue->available_index();
    const bool has_more = std::exchange(slot.seen, now) != now;
    if (!std::exchange(slot.is_to_be_served, false) && !has_more) continue;
    device_->serve(i);
    look_for_broken(i);
  }
}

void MmioTransport::serve_again(unsigned queue) {
  queues_[queue].is_to_be_served = true;
  doorbell_.signal();
}

void MmioTransport::look_for_broken(unsigned index) {
  const QueueSlot& slot = queues_[index];
  if (!slot.queue || slot.queue->broken().empty() || (status_ & VIRTIO_CONFIG_S_NEEDS_RESET) != 0) return;
  faults_.note(fmt::format("queue {}: {}", index, slot.queue->broken()));
  status_ |= VIRTIO_CONFIG_S_NEEDS_RESET;
  raise(VIRTIO_MMIO_INT_CONFIG);
}

// An edge for every cause, also when the driver has not yet acknowledged the one before: it may be just about
// to.
void MmioTransport::raise(std::uint32_t cause) {
  interrupt_status_.fetch_or(cause);
  interrupt_.signal();
}

void MmioTransport::interrupt_for(unsigned index) {
  Queue* const used = queue(index);
  if (used != nullptr && used->should_interrupt()) raise(VIRTIO_MMIO_INT_VRING);
}

bool MmioTransport::has_accepted(unsigned feature) const {
  return (driver_features_ & bit(feature)) != 0;
}

Queue* MmioTransport::queue(unsigned index) {
  return index < queues_.size() && queues_[index].queue ? &*queues_[index].queue : nullptr;
}

MmioTransport::QueueSlot* MmioTransport::selected() {
  return queue_select_ < queues_.size() ? &queues_[queue_select_] : nullptr;
}

std::uint64_t MmioTransport::offered() const {
  return device_->traits().features | kTransportFeatures;
}

bool MmioTransport::is_live() const {
  return started_;
}

}  // namespace tl::virtio
