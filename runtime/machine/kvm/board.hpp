// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "common/guest_memory.hpp"
#include "common/mmio_device.hpp"
#include "common/result.hpp"

namespace tl::machine::kvm {

// What a KvmMachine is built around: the guest's memory, and devices that run by themselves behind their
// windows. The machine owns it, and destroys it when the guest has ended: the devices' other ends notice.
class Board {
 public:
  virtual ~Board() = default;

  [[nodiscard]] virtual const GuestMemory& memory() const = 0;
  // In the order in which a guest finds them; at most as many as layout::kDeviceLines.
  [[nodiscard]] virtual std::vector<MmioDevice*> devices() = 0;
  // Between these two the devices touch neither the memory nor what is behind them: what was in flight is
  // finished. Control thread.
  virtual void pause() = 0;
  virtual void resume() = 0;
  // What the devices know, while they are paused; and, on a new board of the same kind that no guest has
  // touched yet, with the memory as it was, from there on. kOutOfRange for what is no state of this board.
  [[nodiscard]] virtual std::vector<std::byte> save() const = 0;
  virtual Result<void> restore(std::span<const std::byte> state) = 0;

 protected:
  Board() = default;
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;
};

}  // namespace tl::machine::kvm
