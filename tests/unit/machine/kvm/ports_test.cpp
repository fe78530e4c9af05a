// SPDX-License-Identifier: Apache-2.0
#include <linux/serial_reg.h>
#include <unistd.h>

#include <array>
#include <string>

#include "common/log.hpp"
#include "runtime/machine/kvm/bus.hpp"
#include "runtime/machine/kvm/console_buffer.hpp"
#include "runtime/machine/kvm/i8042.hpp"
#include "runtime/machine/kvm/serial.hpp"
#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::machine::kvm;

namespace {

struct Uart {
  std::string sent;
  std::unique_ptr<Serial> serial =
      *Serial::create([this](std::uint8_t byte) { sent += static_cast<char>(byte); });
  std::uint8_t read(std::uint16_t offset) { return serial->read_port(offset); }
  void write(std::uint16_t offset, int value) {
    serial->write_port(offset, static_cast<std::uint8_t>(value));
  }
};

class Window final : public MmioDevice {
 public:
  Window() : event_(*EventFd::create()) {}
  void read(std::uint64_t offset, std::span<std::byte> into) override {
    offset_ = offset;
    std::fill(into.begin(), into.end(), std::byte{0x5a});
  }
  void write(std::uint64_t offset, std::span<const std::byte> from) override {
    offset_ = offset;
    bytes_ = from.size();
  }
  [[nodiscard]] const EventFd& interrupt() const override { return event_; }
  [[nodiscard]] std::optional<Doorbell> doorbell() const override { return std::nullopt; }
  std::uint64_t offset_ = 0;
  std::size_t bytes_ = 0;

 private:
  EventFd event_;
};

}  // namespace

TEST_CASE("the UART sends what is written and is always ready for more") {
  Uart uart;
  for (const char c : std::string("hello")) uart.write(UART_TX, c);
  CHECK(uart.sent == "hello");
  CHECK((uart.read(UART_LSR) & (UART_LSR_THRE | UART_LSR_TEMT)) == (UART_LSR_THRE | UART_LSR_TEMT));
  CHECK((uart.read(UART_LSR) & UART_LSR_DR) == 0);
}

TEST_CASE("the UART's divisor hides its data and interrupt registers while it is selected") {
  Uart uart;
  uart.write(UART_LCR, UART_LCR_DLAB);
  uart.write(UART_DLL, 1);
  uart.write(UART_DLM, 2);
  CHECK(uart.sent.empty());
  CHECK(uart.read(UART_DLL) == 1);
  CHECK(uart.read(UART_DLM) == 2);
  uart.write(UART_LCR, UART_LCR_WLEN8);
  CHECK(uart.read(UART_IER) == 0);
}

TEST_CASE("drivers recognise a 16550A: FIFOs, scratch register and loopback work") {
  Uart uart;
  uart.write(UART_FCR, UART_FCR_ENABLE_FIFO);
  CHECK((uart.read(UART_IIR) & 0xc0) == 0xc0);
  uart.write(UART_SCR, 0xae);
  CHECK(uart.read(UART_SCR) == 0xae);
  uart.write(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
  CHECK((uart.read(UART_MSR) & 0xf0) == (UART_MSR_DCD | UART_MSR_CTS));
  uart.write(UART_TX, 'x');
  CHECK(uart.sent.empty());
  CHECK((uart.read(UART_LSR) & UART_LSR_DR) != 0);
  CHECK(uart.read(UART_RX) == 'x');
  CHECK((uart.read(UART_LSR) & UART_LSR_DR) == 0);
}

TEST_CASE("a driver that asks for transmit interrupts gets one at once and one for each byte") {
  Uart uart;
  CHECK(uart.serial->interrupt().take() == 0);
  uart.write(UART_IER, UART_IER_THRI);
  CHECK(uart.serial->interrupt().take() == 1);
  CHECK((uart.read(UART_IIR) & 0xf) == UART_IIR_THRI);
  CHECK((uart.read(UART_IIR) & 0xf) == UART_IIR_NO_INT);  // reading it was the acknowledgement
  uart.write(UART_TX, 'a');
  CHECK(uart.serial->interrupt().take() == 1);
  uart.write(UART_IER, 0);
  uart.write(UART_TX, 'b');
  CHECK(uart.serial->interrupt().take() == 0);
}

TEST_CASE("a UART goes on from a saved state") {
  Uart before;
  before.write(UART_IER, UART_IER_THRI);
  before.write(UART_LCR, UART_LCR_WLEN8);
  before.write(UART_SCR, 7);
  before.write(UART_TX, 'a');
  Uart after;
  after.serial->restore(before.serial->save());
  CHECK(after.read(UART_SCR) == 7);
  CHECK(after.read(UART_LCR) == UART_LCR_WLEN8);
  CHECK(after.serial->interrupt().take() == 1);  // the interrupt that nobody has taken yet
  CHECK((after.read(UART_IIR) & 0xf) == UART_IIR_THRI);
}

TEST_CASE("the keyboard controller resets the machine at its command and at nothing else") {
  int resets = 0;
  I8042 keyboard([&] { ++resets; });
  keyboard.write_port(0, 0xfe);
  keyboard.write_port(4, 0xd1);
  CHECK(resets == 0);
  CHECK(keyboard.read_port(4) == 0);
  keyboard.write_port(4, 0xfe);
  CHECK(resets == 1);
}

TEST_CASE("the bus finds a device for every byte of its window and for none beside it") {
  const Log log(STDERR_FILENO);
  Bus bus(log);
  Window window;
  bus.add(GuestAddr{0xd0001000}, window);
  std::array<std::byte, 4> value{};
  bus.load(GuestAddr{0xd0001ffc}, value);
  CHECK(window.offset_ == 0xffc);
  CHECK(value[3] == std::byte{0x5a});
  bus.store(GuestAddr{0xd0001010}, std::span(value).first(2));
  CHECK(window.bytes_ == 2);
  CHECK(bus.faults() == 0);
  for (const std::uint64_t beside : {0xd0000ffcULL, 0xd0001ffeULL, 0xd0002000ULL, 0ULL, ~0ULL - 1}) {
    bus.load(GuestAddr{beside}, value);
    CHECK(value[0] == std::byte{0xff});
    window.bytes_ = 0;
    bus.store(GuestAddr{beside}, value);
    CHECK(window.bytes_ == 0);
  }
  CHECK(bus.faults() == 10);
}

TEST_CASE("ports without a device read all ones, and a wide access reaches every port it covers") {
  const Log log(STDERR_FILENO);
  Bus bus(log);
  Uart uart;
  bus.add(0x3f8, *uart.serial);
  std::array<std::byte, 4> value{};
  bus.in(0x80, value);
  CHECK(value[0] == std::byte{0xff});
  bus.out(0x3f8, std::array{std::byte{'h'}});
  CHECK(uart.sent == "h");
  uart.write(UART_SCR, 0x42);
  bus.in(0x3fe, value);  // two of the UART's, two beside
  CHECK(value[1] == std::byte{0x42});
  CHECK(value[2] == std::byte{0xff});
  bus.in(0xffff, value);  // beyond the last port
  CHECK(value[3] == std::byte{0xff});
}

TEST_CASE("the console buffer wakes once for what it holds and loses what does not fit") {
  int woken = 0;
  ConsoleBuffer buffer([&] { ++woken; });
  for (const char c : std::string("one")) buffer.put(c);
  CHECK(woken == 1);
  CHECK(buffer.take() == "one");
  CHECK(buffer.take().empty());
  for (std::size_t i = 0; i < ConsoleBuffer::kMostBytes + 5; ++i) buffer.put('x');
  CHECK(woken == 2);
  CHECK(buffer.lost() == 5);
  CHECK(buffer.take().size() == ConsoleBuffer::kMostBytes);
  buffer.put('y');
  CHECK(buffer.take() == "y");
}
