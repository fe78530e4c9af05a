// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>

#include "common/event_fd.hpp"
#include "runtime/machine/kvm/bus.hpp"

namespace tl::machine::kvm {

// What of a UART has to be known to go on with it; plain data.
struct SerialState {
  std::uint8_t interrupt_enable = 0;
  std::uint8_t line_control = 0;
  std::uint8_t modem_control = 0;
  std::uint8_t scratch = 0;
  std::uint8_t divisor_low = 12;  // 9600 baud
  std::uint8_t divisor_high = 0;
  std::uint8_t looped = 0;  // a byte that came back in loopback
  bool fifo = false;
  bool has_looped = false;
  bool transmitter_told = true;  // the driver has seen that the transmitter is empty
};

// A 16550A UART (National Semiconductor PC16550D) that only sends: nobody types on a sandbox's serial
// console. What is sent is gone at once. Any vCPU thread.
class Serial final : public PortDevice {
 public:
  using Sink = std::function<void(std::uint8_t)>;

  // `sink` takes each byte, on the vCPU's thread.
  static Result<std::unique_ptr<Serial>> create(Sink sink);

  std::uint8_t read_port(std::uint16_t offset) override;
  void write_port(std::uint16_t offset, std::uint8_t value) override;
  [[nodiscard]] const EventFd& interrupt() const { return interrupt_; }

  [[nodiscard]] SerialState save() const;
  void restore(const SerialState& state);

 private:
  Serial(Sink sink, EventFd interrupt) : sink_(std::move(sink)), interrupt_(std::move(interrupt)) {}
  void transmit(std::uint8_t value);
  [[nodiscard]] std::uint8_t identify_interrupt();
  void interrupt_if_wanted();

  Sink sink_;
  EventFd interrupt_;
  mutable std::mutex mutex_;
  SerialState state_;
};

}  // namespace tl::machine::kvm
