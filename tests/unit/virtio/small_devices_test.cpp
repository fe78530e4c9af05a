// SPDX-License-Identifier: Apache-2.0
// Entropy, balloon and network card.
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

#include "runtime/virtio/balloon/device.hpp"
#include "runtime/virtio/mmio_transport.hpp"
#include "runtime/virtio/net/device.hpp"
#include "runtime/virtio/rng/device.hpp"
#include "tests/support/mmio_driver.hpp"

using namespace tl;
using namespace tl::virtio;
using namespace tl::virtio::test;

namespace {

struct Fixture {
  Log log{STDERR_FILENO};
  GuestMemory memory = *GuestMemory::create(16 << 20);
  std::unique_ptr<IoThread> thread = *IoThread::start("test");
  std::unique_ptr<MmioTransport> transport;
  std::unique_ptr<MmioDriver> driver;

  void use(std::unique_ptr<Device> device, std::uint32_t queues) {
    transport = *MmioTransport::create(std::move(device), memory, *thread, log);
    driver = std::make_unique<MmioDriver>(*transport, memory);
    driver->start(queues);
  }
  bool is_resident(GuestAddr at) {
    unsigned char present = 0;
    REQUIRE(::mincore(memory.at(at, 4096)->data(), 4096, &present) == 0);
    return (present & 1) != 0;
  }
  void settle() { const auto lock = thread->exclusive(); }
};

struct NetFixture : Fixture {
  static constexpr std::uint16_t kMtu = 1500;
  static constexpr std::size_t kMostFrameBytes = kMtu + 18;
  UniqueFd ours;
  NetFixture() {
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    ours = UniqueFd(pair[0]);
    use(*net::Net::create(UniqueFd(pair[1]), {2, 0, 0, 0, 0, 7}, kMtu, *thread), 2);
  }
  void send_in(const std::string& frame) {
    REQUIRE(::send(ours.get(), frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size()));
  }
  // A buffer for frames to come, at a place of its own.
  GuestAddr give_buffer(std::uint16_t head, std::uint32_t bytes) {
    const GuestAddr at = MmioDriver::buffer(0, head * 4096U);
    driver->send(0, head, {{at.value, bytes, FakeDriver::kWrite}});
    return at;
  }
  void transmit(std::uint16_t head, const std::string& frame) {
    const GuestAddr at = MmioDriver::buffer(1, head * 4096U);
    REQUIRE(memory.store(at, net::Header{}));
    if (!frame.empty()) driver->put(at + sizeof(net::Header), frame);
    driver->send(1, head, {{at.value, static_cast<std::uint32_t>(sizeof(net::Header) + frame.size()), 0}});
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "the entropy device fills what it is given, each time with something else") {
  use(std::make_unique<rng::Rng>(), 1);
  std::set<std::string> seen;
  for (std::uint16_t i = 1; i <= 20; ++i) {
    driver->send(0, 0, {{MmioDriver::buffer(0).value, 64, FakeDriver::kWrite}});
    driver->wait_used(0, i);
    CHECK(driver->queue(0).used(static_cast<std::uint16_t>((i - 1) % 8)).written == 64);
    seen.insert(driver->get(MmioDriver::buffer(0), 64));
  }
  CHECK(seen.size() == 20);
}

TEST_CASE_METHOD(Fixture, "the entropy device gives gigabytes in pieces, and nothing is a fault") {
  use(std::make_unique<rng::Rng>(), 1);
  driver->send(0, 0, {{MmioDriver::buffer(0).value, 1 << 20, FakeDriver::kWrite}});
  driver->wait_used(0, 1);
  CHECK(driver->queue(0).used(0).written == rng::Rng::kMostBytes);
  driver->send(0, 1, {{MmioDriver::buffer(0).value, 8, 0}});
  driver->wait_used(0, 2);
  CHECK(transport->faults() == 1);
}

TEST_CASE_METHOD(Fixture, "pages that the guest reports go back to the host and read as zeroes") {
  use(std::make_unique<balloon::Balloon>(memory), 3);
  ::madvise(memory.regions()[0].host, memory.size_bytes(), MADV_NOHUGEPAGE);
  const GuestAddr page{0xc00000};
  REQUIRE(memory.store(page, 0x55));
  REQUIRE(memory.store(page + 4096, 0x66));
  CHECK(is_resident(page));
  driver->send(2, 0, {{page.value, 4096, FakeDriver::kWrite}});
  driver->wait_used(2, 1);
  CHECK_FALSE(is_resident(page));
  CHECK(*memory.load<int>(page + 4096) == 0x66);
  CHECK(*memory.load<int>(page) == 0);
  driver->send(2, 0, {{page.value + 1, 4096, FakeDriver::kWrite}});
  driver->wait_used(2, 2);
  CHECK(transport->faults() == 1);
}

TEST_CASE_METHOD(Fixture, "a driver may inflate by itself, and page numbers that do not exist are faults") {
  use(std::make_unique<balloon::Balloon>(memory), 3);
  ::madvise(memory.regions()[0].host, memory.size_bytes(), MADV_NOHUGEPAGE);
  const std::uint32_t pages[] = {0xc00, 0xc01, 0xe00, 0xffffffff, 0x1000, 0xc05};
  for (const std::uint64_t page : {0xc00U, 0xc01U, 0xc02U, 0xe00U, 0xc05U})
    REQUIRE(memory.store(GuestAddr{page * 4096}, 1));
  REQUIRE(memory.store(MmioDriver::buffer(0), pages));
  driver->send(0, 0, {{MmioDriver::buffer(0).value, sizeof pages, 0}});
  driver->wait_used(0, 1);
  for (const std::uint64_t page : {0xc00U, 0xc01U, 0xe00U, 0xc05U}) CHECK_FALSE(is_resident({page * 4096}));
  CHECK(is_resident({0xc02 * 4096}));
  CHECK(transport->faults() == 2);
  driver->send(1, 0, {{MmioDriver::buffer(1).value, 4, 0}});
  driver->wait_used(1, 1);
}

TEST_CASE_METHOD(NetFixture, "frames go both ways, each behind its header") {
  const auto config = driver->config<net::Config>();
  CHECK(config.mac[5] == 7);
  CHECK(config.status == 1);
  CHECK(config.mtu == kMtu);
  const std::string frame(60, 'f');
  transmit(0, frame);
  char got[2000];
  REQUIRE(::recv(ours.get(), got, sizeof got, 0) == 60);
  CHECK(std::string(got, 60) == frame);

  const GuestAddr at = give_buffer(0, 1600);
  send_in(frame);
  driver->wait_used(0, 1);
  CHECK(driver->queue(0).used(0).written == 72);
  CHECK(memory.load<net::Header>(at)->num_buffers == 1);
  CHECK(driver->get(at + 12, 60) == frame);
}

TEST_CASE_METHOD(NetFixture, "frames that are too short or too long are faults of the guest or are dropped") {
  transmit(0, std::string(13, 'x'));
  transmit(1, std::string(kMostFrameBytes + 1, 'x'));
  driver->send(1, 2, {{MmioDriver::buffer(1).value, 5, 0}});
  driver->wait_used(1, 3);
  CHECK(transport->faults() == 3);
  const GuestAddr at = give_buffer(0, 2000);
  const std::string short_frame(60, 's');
  send_in(std::string(kMostFrameBytes + 1, 'l'));
  send_in(short_frame);
  driver->wait_used(0, 1);
  CHECK(driver->get(at + 12, 60) == short_frame);
}

TEST_CASE_METHOD(NetFixture, "a frame takes as many buffers as it needs, and waits until they are there") {
  const GuestAddr first = give_buffer(3, 1000);
  const std::string frame = std::string(988, 'a') + std::string(500, 'b');
  send_in(frame);
  send_in(std::string(60, 'c'));
  settle();
  CHECK(driver->queue(0).used_index() == 0);
  const GuestAddr second = give_buffer(1, 1000);
  const GuestAddr third = give_buffer(2, 1000);
  driver->wait_used(0, 3);
  CHECK(memory.load<net::Header>(first)->num_buffers == 2);
  CHECK(driver->get(first + 12, 988) + driver->get(second, 500) == frame);
  CHECK(driver->queue(0).used(0).written == 1000);
  CHECK(driver->queue(0).used(1).written == 500);
  CHECK(memory.load<net::Header>(third)->num_buffers == 1);
  CHECK(driver->queue(0).used(2).written == 72);
}

TEST_CASE_METHOD(NetFixture, "a frame that all buffers together have no room for is dropped") {
  send_in(std::string(1514, 'l'));
  send_in(std::string(60, 's'));
  for (std::uint16_t head = 0; head < 8; ++head) give_buffer(head, 150);
  driver->wait_used(0, 1);
  CHECK(driver->queue(0).used_index() == 1);
  CHECK(driver->get(MmioDriver::buffer(0) + 12, 60) == std::string(60, 's'));
  CHECK(transport->faults() == 0);
}

TEST_CASE_METHOD(NetFixture, "a driver that wants each frame in one buffer gets those that fit") {
  driver->reset();
  driver->negotiate(std::uint64_t{1} << 29 | std::uint64_t{1} << 15);
  for (const std::uint32_t queue : {0U, 1U}) driver->set_up_queue(queue);
  driver->add_status(VIRTIO_CONFIG_S_DRIVER_OK);
  const GuestAddr at = give_buffer(0, 100);
  give_buffer(1, 2000);
  send_in(std::string(1514, 'l'));
  send_in(std::string(60, 's'));
  send_in(std::string(1000, 'm'));
  driver->wait_used(0, 2);
  CHECK(driver->get(at + 12, 60) == std::string(60, 's'));
  CHECK(driver->queue(0).used(1).written == 1012);
}

TEST_CASE_METHOD(NetFixture,
                 "a network that takes no more frames stops the guest's, and the rest goes on later") {
  std::uint16_t offered = 0;
  for (int settled = 0; settled < 50; ++settled, ::usleep(1000)) {
    if (driver->queue(1).used_index() != offered) continue;
    transmit(0, std::string(1514, 'x'));
    ++offered;
    settled = 0;
  }
  char got[2000];
  for (std::uint16_t i = 0; i < offered; ++i) REQUIRE(::recv(ours.get(), got, sizeof got, 0) == 1514);
  driver->wait_used(1, offered);
}

TEST_CASE_METHOD(NetFixture, "a network that has gone away takes frames and gives none") {
  ours.reset();
  for (std::uint16_t i = 0; i < 4; ++i) transmit(i, std::string(60, 'x'));
  driver->wait_used(1, 4);
  CHECK(transport->faults() == 0);
}
