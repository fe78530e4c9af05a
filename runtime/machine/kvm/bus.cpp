// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/bus.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace tl::machine::kvm {

const Bus::Window* Bus::find(GuestAddr address, std::size_t bytes) const {
  for (const Window& window : windows_) {
    if (address < window.start) continue;
    const std::uint64_t offset = address.value - window.start.value;
    if (offset < MmioDevice::kWindowBytes && bytes <= MmioDevice::kWindowBytes - offset) return &window;
  }
  return nullptr;
}

const Bus::Ports* Bus::find(std::uint32_t port) const {
  for (const Ports& ports : ports_) {
    if (port >= ports.first && port - ports.first < PortDevice::kPorts) return &ports;
  }
  return nullptr;
}

void Bus::load(GuestAddr from, std::span<std::byte> into) {
  if (const Window* window = find(from, into.size())) {
    return window->device->read(from.value - window->start.value, into);
  }
  faults_.note(fmt::format("a load from {:#x}, where nothing is", from.value));
  std::fill(into.begin(), into.end(), std::byte{0xff});
}

void Bus::store(GuestAddr to, std::span<const std::byte> from) {
  if (const Window* window = find(to, from.size())) {
    return window->device->write(to.value - window->start.value, from);
  }
  faults_.note(fmt::format("a store to {:#x}, where nothing is", to.value));
}

// Ports without a device are no fault: kernels look for a PC's devices there.
void Bus::in(std::uint16_t port, std::span<std::byte> into) {
  for (std::size_t i = 0; i < into.size(); ++i) {
    const Ports* ports = find(port + static_cast<std::uint32_t>(i));
    into[i] = ports == nullptr
                  ? std::byte{0xff}
                  : std::byte{ports->device->read_port(static_cast<std::uint16_t>(port + i - ports->first))};
  }
}

void Bus::out(std::uint16_t port, std::span<const std::byte> from) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    const Ports* ports = find(port + static_cast<std::uint32_t>(i));
    if (ports == nullptr) continue;
    ports->device->write_port(static_cast<std::uint16_t>(port + i - ports->first),
                              std::to_integer<std::uint8_t>(from[i]));
  }
}

}  // namespace tl::machine::kvm
