// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/virtio_balloon.h>

#include <cstdint>
#include <span>

#include "common/guest_memory.hpp"
#include "runtime/virtio/balloon/state.hpp"
#include "runtime/virtio/device.hpp"

namespace tl::virtio::balloon {

// A balloon (virtio 1.2, §5.5) that the host never inflates: it is there for free page reporting, by which
// the guest says which pages it does not use at the moment, and they go back to the host until the guest
// touches them again. A driver that inflates by itself loses the pages just so.
class Balloon final : public Device {
 public:
  // `memory` outlives the device.
  explicit Balloon(const GuestMemory& memory);

  [[nodiscard]] std::span<const std::byte> config() const override;
  void serve(unsigned queue) override;

  [[nodiscard]] static State save() { return {}; }
  void restore(const State&) {}

 private:
  // Linux numbers the queues of the features that were agreed on without gaps, and there are no others here.
  enum QueueIndex : unsigned { kInflate, kDeflate, kReporting };

  void take_pages(const Chain& chain);
  void take_reported(const Chain& chain);

  const GuestMemory& memory_;
  virtio_balloon_config config_ = {};
};

}  // namespace tl::virtio::balloon
