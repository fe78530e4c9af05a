// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/virtio/device.hpp"
#include "runtime/virtio/rng/state.hpp"

namespace tl::virtio::rng {

// An entropy device (virtio 1.2, §5.4): fills the driver's buffers with the host kernel's random bytes.
class Rng final : public Device {
 public:
  // More is not given at once: a guest that asks for gigabytes gets them in pieces.
  static constexpr std::size_t kMostBytes = 4096;

  Rng();
  void serve(unsigned queue) override;

  [[nodiscard]] static State save() { return {}; }
  void restore(const State&) {}
};

}  // namespace tl::virtio::rng
