// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/event_fd.hpp"
#include "common/fault_log.hpp"
#include "common/guest_memory.hpp"
#include "common/log.hpp"
#include "common/mmio_device.hpp"
#include "common/result.hpp"
#include "common/saved_state.hpp"
#include "runtime/virtio/device.hpp"
#include "runtime/virtio/io_thread.hpp"

namespace tl::virtio {

// All that a transport knows beside what is in the guest's memory; plain data.
struct MmioTransportState {
  std::uint32_t status = 0;
  std::uint32_t interrupt_status = 0;
  std::uint32_t device_features_select = 0;
  std::uint32_t driver_features_select = 0;
  std::uint32_t queue_select = 0;
  std::uint64_t driver_features = 0;
  struct QueueRegisters {
    QueueState queue;
    bool ready = false;
  };
  std::vector<QueueRegisters> queues;

  void write_to(StateWriter& to) const;
  static Result<MmioTransportState> read_from(StateReader& from);
};

// virtio over MMIO (virtio 1.2, §4.2): the registers by which a driver finds a device, agrees with it on
// features, and sets up its queues. Version 2 only, no legacy.
//
// Registers are read and written by vCPU threads. The interrupt registers, which every interrupt touches,
// wait for nobody; everything else takes the IoThread's exclusive(), so that a reset is complete when the
// store that asked for it has been executed. Notifications come by the doorbell, one for all queues: what a
// driver has added to which is in the guest's memory anyway.
class MmioTransport final : public MmioDevice, private Driver {
 public:
  // `memory`, `thread` and `log` outlive the transport.
  static Result<std::unique_ptr<MmioTransport>> create(std::unique_ptr<Device> device,
                                                       const GuestMemory& memory, IoThread& thread,
                                                       const Log& log);
  // Not from a handler.
  ~MmioTransport() override;

  void read(std::uint64_t offset, std::span<std::byte> into) override;
  void write(std::uint64_t offset, std::span<const std::byte> from) override;
  [[nodiscard]] const EventFd& interrupt() const override { return interrupt_; }
  [[nodiscard]] std::optional<Doorbell> doorbell() const override;

  // What the guest did wrong so far. Any thread.
  [[nodiscard]] std::uint64_t faults() const { return faults_.count(); }

  // While the IoThread is paused, or under its exclusive().
  [[nodiscard]] MmioTransportState save() const;
  // Only on a transport that no driver has touched. kOutOfRange for what no driver can have set up.
  Result<void> restore(const MmioTransportState& state);

 private:
  struct QueueSlot {
    QueueLayout layout;
    std::optional<Queue> queue;    // while it is ready
    std::uint16_t seen = 0;        // its available_index() when it was last served
    bool is_to_be_served = false;  // also when the driver has added nothing
  };

  MmioTransport(std::unique_ptr<Device> device, const GuestMemory& memory, IoThread& thread, const Log& log,
                EventFd interrupt, EventFd doorbell);

  [[nodiscard]] bool has_accepted(unsigned feature) const override;
  [[nodiscard]] Queue* queue(unsigned index) override;
  void interrupt_for(unsigned queue) override;
  void serve_again(unsigned queue) override;
  void note_fault(std::string_view what) override { faults_.note(what); }

  [[nodiscard]] std::uint32_t read_register(std::uint64_t offset);
  void write_register(std::uint64_t offset, std::uint32_t value);
  void write_queue_register(std::uint64_t offset, std::uint32_t value);
  void write_status(std::uint32_t value);
  void write_driver_features(std::uint32_t value);
  void set_queue_ready(QueueSlot& slot);
  [[nodiscard]] QueueSlot* selected();
  [[nodiscard]] std::uint64_t offered() const;
  [[nodiscard]] bool is_live() const;
  void start_device();
  void reset();
  void on_doorbell();
  void look_for_broken(unsigned index);
  void raise(std::uint32_t cause);

  std::unique_ptr<Device> device_;
  const GuestMemory& memory_;
  IoThread& thread_;
  FaultLog faults_;
  EventFd interrupt_;
  EventFd doorbell_;
  std::unique_ptr<IoThread::Watch> watch_;
  std::atomic<std::uint32_t> interrupt_status_ = 0;
  // All below: under exclusive() or on the IoThread.
  std::uint32_t status_ = 0;
  std::uint32_t device_features_select_ = 0;
  std::uint32_t driver_features_select_ = 0;
  std::uint32_t queue_select_ = 0;
  std::uint64_t driver_features_ = 0;
  bool started_ = false;
  std::vector<QueueSlot> queues_;
};

}  // namespace tl::virtio
