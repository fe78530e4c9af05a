// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/virtio/queue.hpp"

namespace tl::virtio {

// What a device sees of the driver in the guest; the transport's other face.
class Driver {
 public:
  // Whether the driver has taken the feature with this bit number.
  [[nodiscard]] virtual bool has_accepted(unsigned feature) const = 0;
  // Nothing for a queue that the driver does not use.
  [[nodiscard]] virtual Queue* queue(unsigned index) = 0;
  // Something was pushed to the queue: interrupts the driver if it wants that.
  virtual void interrupt_for(unsigned queue) = 0;
  // Has serve() called for the queue once more, after whoever waits for the IoThread.
  virtual void serve_again(unsigned queue) = 0;
  // The driver did something wrong that concerns one request only. (A queue's own mistakes are seen by the
  // transport.)
  virtual void note_fault(std::string_view what) = 0;

 protected:
  ~Driver() = default;
};

// A virtio device behind its transport (virtio 1.2, §5). All calls come one at a time, on the device's
// IoThread or, for start, stop and the configuration space, on a thread that has the IoThread's exclusive().
class Device {
 public:
  struct Traits {
    std::string name;                        // for the log
    std::uint32_t id = 0;                    // VIRTIO_ID_*
    std::uint64_t features = 0;              // the device's own bits
    std::vector<std::uint16_t> queue_sizes;  // how long each queue may be
  };

  virtual ~Device() = default;

  [[nodiscard]] const Traits& traits() const { return traits_; }

  // The configuration space, in the guest's byte order; what lies behind reads as zeroes.
  [[nodiscard]] virtual std::span<const std::byte> config() const { return {}; }

  // The driver is ready, `driver` may be used until stop(). Also called to go on after a restore.
  void start(Driver& driver) {
    driver_ = &driver;
    on_start();
  }
  // The driver has reset the device: requests that are not yet pushed are forgotten.
  void stop() {
    driver_ = nullptr;
    on_stop();
  }
  // The driver says that there is something in the queue, which may be wrong. Only between start and stop.
  virtual void serve(unsigned queue) = 0;

 protected:
  explicit Device(Traits traits) : traits_(std::move(traits)) {}
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  virtual void on_start() {}
  virtual void on_stop() {}
  [[nodiscard]] Driver* driver() const { return driver_; }  // absent unless started

 private:
  Traits traits_;
  Driver* driver_ = nullptr;
};

}  // namespace tl::virtio
