// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/fault_log.hpp"
#include "common/guest_memory.hpp"
#include "common/mmio_device.hpp"

namespace tl::machine::kvm {

// A device at I/O ports, of which it has kPorts in a row. vCPU threads call it, several at the same moment.
// One byte at a time: wider accesses are split, as an ISA bus does.
class PortDevice {
 public:
  static constexpr std::uint16_t kPorts = 8;

  virtual ~PortDevice() = default;
  virtual std::uint8_t read_port(std::uint16_t offset) = 0;
  virtual void write_port(std::uint16_t offset, std::uint8_t value) = 0;

 protected:
  PortDevice() = default;
  PortDevice(const PortDevice&) = delete;
  PortDevice& operator=(const PortDevice&) = delete;
};

// Finds the device for an address. Where there is none, loads read all ones and stores go nowhere, as on a
// PC. Devices are added before the first vCPU runs; then any vCPU thread. Does not own them.
class Bus {
 public:
  explicit Bus(const Log& log) : faults_(log, "bus") {}

  void add(GuestAddr window, MmioDevice& device) { windows_.push_back({window, &device}); }
  void add(std::uint16_t first_port, PortDevice& device) { ports_.push_back({first_port, &device}); }

  void load(GuestAddr from, std::span<std::byte> into);
  void store(GuestAddr to, std::span<const std::byte> from);
  void in(std::uint16_t port, std::span<std::byte> into);
  void out(std::uint16_t port, std::span<const std::byte> from);

  [[nodiscard]] std::uint64_t faults() const { return faults_.count(); }

 private:
  struct Window {
    GuestAddr start;
    MmioDevice* device;
  };
  struct Ports {
    std::uint16_t first;
    PortDevice* device;
  };
  [[nodiscard]] const Window* find(GuestAddr address, std::size_t bytes) const;
  [[nodiscard]] const Ports* find(std::uint32_t port) const;

  std::vector<Window> windows_;
  std::vector<Ports> ports_;
  FaultLog faults_;
};

}  // namespace tl::machine::kvm
