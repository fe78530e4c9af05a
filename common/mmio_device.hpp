// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/event_fd.hpp"

namespace tl {

// A device that the guest reaches by loads and stores in a window of guest-physical addresses.
//
// vCPU threads call read() and write(), several at the same moment; a call holds its vCPU up, so it does
// nothing that waits. Accesses are 1, 2, 4 or 8 bytes, little-endian, anywhere in the window, and as wrong as
// the guest likes.
class MmioDevice {
 public:
  static constexpr std::uint64_t kWindowBytes = 4096;

  virtual ~MmioDevice() = default;

  // `offset` is that of the first byte in the device's window. Fills all of `into`.
  virtual void read(std::uint64_t offset, std::span<std::byte> into) = 0;
  virtual void write(std::uint64_t offset, std::span<const std::byte> from) = 0;

  // Signalled by the device when the guest is to be interrupted. An edge: one signal, one interrupt.
  [[nodiscard]] virtual const EventFd& interrupt() const = 0;

  // A 32-bit store at `offset`, of any value, may signal `event` in place of write(): KVM does that without
  // returning to us.
  struct Doorbell {
    std::uint64_t offset = 0;
    const EventFd* event = nullptr;  // the device's
  };
  [[nodiscard]] virtual std::optional<Doorbell> doorbell() const = 0;

 protected:
  MmioDevice() = default;
  MmioDevice(const MmioDevice&) = delete;
  MmioDevice& operator=(const MmioDevice&) = delete;
};

}  // namespace tl
