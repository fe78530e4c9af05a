// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/virtio/console/device.hpp"
#include "runtime/virtio/mmio_transport.hpp"
#include "tests/support/mmio_driver.hpp"

using namespace tl;
using namespace tl::virtio;
using namespace tl::virtio::test;

namespace {

enum QueueIndex : std::uint32_t { kReceive, kTransmit, kControlReceive, kControlTransmit };

struct Fixture {
  Log log{STDERR_FILENO};
  GuestMemory memory = *GuestMemory::create(8 << 20);
  std::unique_ptr<IoThread> thread = *IoThread::start("test");
  UniqueFd ours;
  console::Console* console = nullptr;
  std::unique_ptr<MmioTransport> transport;
  std::unique_ptr<MmioDriver> driver;
  std::uint16_t told = 0;  // control messages seen

  Fixture() {
    auto pair = *stream_socket_pair();
    ours = std::move(pair.first);
    auto made = *console::Console::create(std::move(pair.second), "tl.test", *thread);
    console = made.get();
    transport = *MmioTransport::create(std::move(made), memory, *thread, log);
    driver = std::make_unique<MmioDriver>(*transport, memory);
    driver->start(4);
    for (std::uint16_t i = 0; i < 4; ++i) {
      driver->send(kControlReceive, i,
                   {{MmioDriver::buffer(kControlReceive, i * 64U).value, 64, FakeDriver::kWrite}});
    }
  }
  void control(std::uint32_t id, std::uint16_t event, std::uint16_t value, std::uint32_t bytes = 8) {
    const virtio_console_control message{id, event, value};
    REQUIRE(memory.store(MmioDriver::buffer(kControlTransmit), message));
    const auto count = static_cast<std::uint16_t>(driver->queue(kControlTransmit).used_index() + 1);
    driver->send(kControlTransmit, 0, {{MmioDriver::buffer(kControlTransmit).value, bytes, 0}});
    driver->wait_used(kControlTransmit, count);
  }
  // The next control message, with its text.
  std::pair<virtio_console_control, std::string> next_control() {
    driver->wait_used(kControlReceive, static_cast<std::uint16_t>(told + 1));
    const auto used = driver->queue(kControlReceive).used(told++);
    const GuestAddr at = MmioDriver::buffer(kControlReceive, used.head * 64U);
    return {*memory.load<virtio_console_control>(at), driver->get(at + 8, used.written - 8)};
  }
  void open_port() {
    control(0xffffffff, VIRTIO_CONSOLE_DEVICE_READY, 1);
    CHECK(next_control().first.event == VIRTIO_CONSOLE_PORT_ADD);
    control(0, VIRTIO_CONSOLE_PORT_READY, 1);
    CHECK(next_control().second == "tl.test");
    CHECK(next_control().first.event == VIRTIO_CONSOLE_PORT_OPEN);
    control(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
  }
  void give_buffer(std::uint16_t head, std::uint32_t bytes) {
    driver->send(kReceive, head,
                 {{MmioDriver::buffer(kReceive, head * 4096U).value, bytes, FakeDriver::kWrite}});
  }
  std::string receive(std::size_t bytes) {
    std::string text(bytes, '\0');
    std::size_t got = 0;
    while (got < bytes) {
      const ssize_t n = ::read(ours.get(), text.data() + got, bytes - got);
      REQUIRE(n > 0);
      got += static_cast<std::size_t>(n);
    }
    return text;
  }
  void settle() { const auto lock = thread->exclusive(); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "the driver learns of the port, its name and that it is open") {
  CHECK(driver->config<virtio_console_config>().max_nr_ports == 1);
  open_port();
  CHECK(transport->faults() == 0);
}

TEST_CASE_METHOD(Fixture, "bytes go both ways, in pieces of any size") {
  open_port();
  give_buffer(0, 3);
  give_buffer(1, 100);
  REQUIRE(::write(ours.get(), "to the guest", 12) == 12);
  driver->wait_used(kReceive, 2);
  CHECK(driver->get(MmioDriver::buffer(kReceive), 3) == "to ");
  CHECK(driver->get(MmioDriver::buffer(kReceive, 4096), 9) == "the guest");
  CHECK(driver->queue(kReceive).used(1).written == 9);

  const auto at = MmioDriver::buffer(kTransmit);
  driver->put(at, "from the guest");
  driver->send(kTransmit, 0, {{at.value, 5, 0}, {at.value + 5, 4, 0}, {at.value + 9, 5, 0}});
  CHECK(receive(14) == "from the guest");
  driver->wait_used(kTransmit, 1);
}

TEST_CASE_METHOD(Fixture,
                 "without a program in the guest that has the port open nothing is taken from the socket") {
  control(0, VIRTIO_CONSOLE_PORT_READY, 1);
  give_buffer(0, 100);
  REQUIRE(::write(ours.get(), "later", 5) == 5);
  settle();
  CHECK(driver->queue(kReceive).used_index() == 0);
  control(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
  driver->wait_used(kReceive, 1);
  control(0, VIRTIO_CONSOLE_PORT_OPEN, 0);
  give_buffer(1, 100);
  REQUIRE(::write(ours.get(), "never", 5) == 5);
  settle();
  CHECK(driver->queue(kReceive).used_index() == 1);
}

TEST_CASE_METHOD(Fixture,
                 "a host that does not read stops the guest, and no byte is lost or kept in between") {
  open_port();
  std::string sent;
  std::uint16_t offered = 0;
  const auto at = MmioDriver::buffer(kTransmit);
  // Until a chain stays with us: every buffer on the way is full.
  for (int settled = 0; settled < 50;) {
    if (driver->queue(kTransmit).used_index() == offered) {
      const std::string piece(60'000, static_cast<char>('a' + offered % 26));
      driver->put(at, piece);
      sent += piece;
      driver->send(kTransmit, 0, {{at.value, 60'000, 0}});
      ++offered;
      settled = 0;
    }
    ::usleep(1000);
    ++settled;
  }
  CHECK(driver->queue(kTransmit).used_index() == offered - 1);
  CHECK(receive(sent.size()) == sent);
  driver->wait_used(kTransmit, offered);
}

TEST_CASE_METHOD(Fixture, "a guest that gives no buffers stops the host, and gets everything when it does") {
  open_port();
  REQUIRE(::write(ours.get(), "abcdef", 6) == 6);
  settle();
  for (std::uint16_t i = 0; i < 6; ++i) give_buffer(i, 1);
  driver->wait_used(kReceive, 6);
  std::string text;
  for (std::uint16_t i = 0; i < 6; ++i) text += driver->get(MmioDriver::buffer(kReceive, i * 4096U), 1);
  CHECK(text == "abcdef");
}

TEST_CASE_METHOD(Fixture, "the guest is told when the host hangs up, and its bytes go nowhere then") {
  open_port();
  give_buffer(0, 10);
  ours.reset();
  const auto [message, text] = next_control();
  CHECK(message.event == VIRTIO_CONSOLE_PORT_OPEN);
  CHECK(message.value == 0);
  driver->send(kTransmit, 0, {{MmioDriver::buffer(kTransmit).value, 10, 0}});
  driver->wait_used(kTransmit, 1);
}

TEST_CASE_METHOD(Fixture,
                 "control messages that are short, unknown or for another port are faults and nothing else") {
  control(0, VIRTIO_CONSOLE_PORT_OPEN, 1, 7);
  control(7, VIRTIO_CONSOLE_PORT_READY, 1);
  control(0, 99, 1);
  settle();
  CHECK(transport->faults() == 3);
  CHECK(driver->queue(kControlReceive).used_index() == 0);
  for (int i = 0; i < 1000; ++i) control(0xffffffff, VIRTIO_CONSOLE_DEVICE_READY, 1);
  // Four buffers are there; asking a thousand times has been answered no more often, and nothing is
  // collected.
  settle();
  CHECK(driver->queue(kControlReceive).used_index() <= 4);
}

TEST_CASE_METHOD(Fixture, "another device goes on in the middle of a chain") {
  open_port();
  const auto at = MmioDriver::buffer(kTransmit);
  const std::string half(1 << 19, 'x');
  driver->put(at, half);
  // More than a socket takes at once.
  driver->send(kTransmit, 0, {{at.value, 1 << 19, 0}});
  ::usleep(20'000);
  thread->pause();
  const auto state = console->save();
  const auto registers = transport->save();
  CHECK(state.guest_open);
  CHECK(state.chain_sent > 0);
  const std::string first = receive(state.chain_sent);

  auto pair = *stream_socket_pair();
  auto made = *console::Console::create(std::move(pair.second), "tl.test", *thread);
  made->restore(state);
  auto other = *MmioTransport::create(std::move(made), memory, *thread, log);
  REQUIRE(other->restore(registers));
  transport.reset();
  ours = std::move(pair.first);
  thread->resume();
  CHECK(first.size() + receive(half.size() - first.size()).size() == half.size());
}
