// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/serial.hpp"

#include <linux/serial_reg.h>

#include <utility>

namespace tl::machine::kvm {
namespace {

constexpr std::uint8_t kEmpty = UART_LSR_TEMT | UART_LSR_THRE;
constexpr std::uint8_t kConnected = UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
constexpr std::uint8_t kFifosOn = 0xc0;
constexpr std::uint8_t kModemControlBits = 0x1f;
constexpr std::uint8_t kInterruptBits = 0x0f;

}  // namespace

Result<std::unique_ptr<Serial>> Serial::create(Sink sink) {
  auto interrupt = EventFd::create();
  if (!interrupt) return interrupt.error();
  return std::unique_ptr<Serial>(new Serial(std::move(sink), *std::move(interrupt)));
}

std::uint8_t Serial::read_port(std::uint16_t offset) {
  const std::lock_guard lock(mutex_);
  const bool divisor = (state_.line_control & UART_LCR_DLAB) != 0;
  const bool loops = (state_.modem_control & UART_MCR_LOOP) != 0;
  switch (offset) {
    case UART_RX:
      if (divisor) return state_.divisor_low;
      state_.has_looped = false;
      return std::exchange(state_.looped, std::uint8_t{0});
    case UART_IER:
      return divisor ? state_.divisor_high : state_.interrupt_enable;
    case UART_IIR:
      return identify_interrupt();
    case UART_LCR:
      return state_.line_control;
    case UART_MCR:
      return state_.modem_control;
    case UART_LSR:
      return state_.has_looped ? kEmpty | UART_LSR_DR : kEmpty;
    case UART_MSR:
      if (!loops) return kConnected;
      // §8.6.4: in loopback the outputs come back as inputs.
      return static_cast<std::uint8_t>(((state_.modem_control & UART_MCR_RTS) != 0 ? UART_MSR_CTS : 0) |
                                       ((state_.modem_control & UART_MCR_DTR) != 0 ? UART_MSR_DSR : 0) |
                                       ((state_.modem_control & UART_MCR_OUT1) != 0 ? UART_MSR_RI : 0) |
                                       ((state_.modem_control & UART_MCR_OUT2) != 0 ? UART_MSR_DCD : 0));
    default:
      return state_.scratch;
  }
}

void Serial::write_port(std::uint16_t offset, std::uint8_t value) {
  const std::lock_guard lock(mutex_);
  const bool divisor = (state_.line_control & UART_LCR_DLAB) != 0;
  switch (offset) {
    case UART_TX:
      if (divisor) {
        state_.divisor_low = value;
      } else {
        transmit(value);
      }
      return;
    case UART_IER:
      if (divisor) {
        state_.divisor_high = value;
        return;
      }
      // Asking for it while the transmitter is empty is answered at once.
      if ((value & UART_IER_THRI & ~state_.interrupt_enable) != 0) state_.transmitter_told = false;
      state_.interrupt_enable = value & kInterruptBits;
      return interrupt_if_wanted();
    case UART_FCR:
      state_.fifo = (value & UART_FCR_ENABLE_FIFO) != 0;
      return;
    case UART_LCR:
      state_.line_control = value;
      return;
    case UART_MCR:
      state_.modem_control = value & kModemControlBits;
      return;
    case UART_SCR:
      state_.scratch = value;
      return;
    default:
      return;  // the status registers
  }
}

void Serial::transmit(std::uint8_t value) {
  if ((state_.modem_control & UART_MCR_LOOP) != 0) {
    state_.looped = value;
    state_.has_looped = true;
  } else {
    sink_(value);
  }
  state_.transmitter_told = false;
  interrupt_if_wanted();
}

std::uint8_t Serial::identify_interrupt() {
  const std::uint8_t fifos = state_.fifo ? kFifosOn : 0;
  if (state_.has_looped && (state_.interrupt_enable & UART_IER_RDI) != 0) return fifos | UART_IIR_RDI;
  if (!state_.transmitter_told && (state_.interrupt_enable & UART_IER_THRI) != 0) {
    state_.transmitter_told = true;
    return fifos | UART_IIR_THRI;
  }
  return fifos | UART_IIR_NO_INT;
}

void Serial::interrupt_if_wanted() {
  const bool transmitter = !state_.transmitter_told && (state_.interrupt_enable & UART_IER_THRI) != 0;
  const bool receiver = state_.has_looped && (state_.interrupt_enable & UART_IER_RDI) != 0;
  if (transmitter || receiver) interrupt_.signal();
}

SerialState Serial::save() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Serial::restore(const SerialState& state) {
  const std::lock_guard lock(mutex_);
  state_ = state;
  interrupt_if_wanted();
}

}  // namespace tl::machine::kvm
