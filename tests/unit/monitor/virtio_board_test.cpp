// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/virtio_board.hpp"

#include <linux/virtio_blk.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "tests/support/mmio_driver.hpp"

using namespace tl;
using namespace tl::virtio::test;
using tl::monitor::VirtioBoard;

namespace {

constexpr std::uint64_t kMemory = 16 << 20;

// In memory, all of it.
class MemoryDisk final : public BlockDevice {
 public:
  [[nodiscard]] std::uint64_t size_bytes() const override { return bytes.size(); }
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override {
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
    return {};
  }
  Result<void> write(std::uint64_t offset, std::span<const std::byte> from) override {
    std::copy(from.begin(), from.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Result<void> write_zeroes(std::uint64_t offset, std::uint64_t length) override {
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), length, std::byte{0});
    return {};
  }
  Result<void> discard(std::uint64_t offset, std::uint64_t length) override {
    return write_zeroes(offset, length);
  }
  Result<void> flush() override { return {}; }
  std::vector<std::byte> bytes = std::vector<std::byte>(1 << 20);
};

enum Port : std::uint32_t { kReceive, kTransmit, kControlReceive, kControlTransmit };
enum Place : std::size_t { kDisk, kConsole, kRng, kBalloon };

// A board in the middle of its life, or a new one that goes on from another's state. The memory is the
// guest's and stays, as if it had been restored.
struct Side {
  UniqueFd agent;  // our end of the port
  std::unique_ptr<VirtioBoard> board;

  Side(GuestMemory& memory, MemoryDisk& disk, const Log& log) {
    auto pair = *stream_socket_pair();
    agent = std::move(pair.first);
    VirtioBoard::Parts parts;
    parts.memory = &memory;
    parts.disk = &disk;
    parts.agent = std::move(pair.second);
    auto built = VirtioBoard::build(std::move(parts), log);
    REQUIRE(built);
    board = *std::move(built);
  }
  [[nodiscard]] MmioDevice& device(Place place) const { return *board->devices().at(place); }
  [[nodiscard]] std::string receive(std::size_t bytes) const {
    std::string text(bytes, '\0');
    std::size_t got = 0;
    while (got < bytes) {
      const ssize_t n = ::read(agent.get(), text.data() + got, bytes - got);
      REQUIRE(n > 0);
      got += static_cast<std::size_t>(n);
    }
    return text;
  }
  // All that is there without waiting.
  [[nodiscard]] std::string drain() const {
    std::string text;
    std::array<char, 65536> piece;
    for (;;) {
      const ssize_t n = ::recv(agent.get(), piece.data(), piece.size(), MSG_DONTWAIT);
      if (n <= 0) return text;
      text.append(piece.data(), static_cast<std::size_t>(n));
    }
  }
  // Some of it, as soon as there is something.
  [[nodiscard]] std::string take() const {
    pollfd entry{agent.get(), POLLIN, 0};
    REQUIRE(::poll(&entry, 1, MmioDriver::kPatienceMs) == 1);
    std::string text(65536, '\0');
    const ssize_t n = ::recv(agent.get(), text.data(), text.size(), MSG_DONTWAIT);
    REQUIRE(n > 0);
    text.resize(static_cast<std::size_t>(n));
    return text;
  }
};

// The driver of one device, which does not notice that the board behind it is another one.
class Guest final : public MmioDevice {
 public:
  explicit Guest(MmioDevice& device) : device_(&device) {}
  void moves_to(MmioDevice& device) { device_ = &device; }
  void read(std::uint64_t offset, std::span<std::byte> into) override { device_->read(offset, into); }
  void write(std::uint64_t offset, std::span<const std::byte> from) override { device_->write(offset, from); }
  [[nodiscard]] const EventFd& interrupt() const override { return device_->interrupt(); }
  [[nodiscard]] std::optional<Doorbell> doorbell() const override { return device_->doorbell(); }

 private:
  MmioDevice* device_;
};

struct Fixture {
  Log log{STDERR_FILENO};
  GuestMemory memory = *GuestMemory::create(kMemory);
  MemoryDisk disk;
  std::unique_ptr<Side> side = std::make_unique<Side>(memory, disk, log);
  Guest device{side->device(kConsole)};
  MmioDriver driver{device, memory};
  std::uint16_t told = 0;  // control messages seen

  void begin() {
    driver.start(4);
    for (std::uint16_t i = 0; i < 8; ++i) {
      driver.send(kControlReceive, i,
                  {{MmioDriver::buffer(kControlReceive, i * 64U).value, 64, FakeDriver::kWrite}});
    }
  }
  void control(std::uint32_t id, std::uint16_t event, std::uint16_t value) {
    const virtio_console_control message{id, event, value};
    REQUIRE(memory.store(MmioDriver::buffer(kControlTransmit), message));
    const auto count = static_cast<std::uint16_t>(driver.queue(kControlTransmit).used_index() + 1);
    driver.send(kControlTransmit, 0, {{MmioDriver::buffer(kControlTransmit).value, sizeof message, 0}});
    driver.wait_used(kControlTransmit, count);
  }
  virtio_console_control next_control() {
    driver.wait_used(kControlReceive, static_cast<std::uint16_t>(told + 1));
    const auto used = driver.queue(kControlReceive).used(told++);
    return *memory.load<virtio_console_control>(MmioDriver::buffer(kControlReceive, used.head * 64U));
  }
  void open_port() {
    begin();
    control(0xffffffff, VIRTIO_CONSOLE_DEVICE_READY, 1);
    CHECK(next_control().event == VIRTIO_CONSOLE_PORT_ADD);
    control(0, VIRTIO_CONSOLE_PORT_READY, 1);
    CHECK(next_control().event == VIRTIO_CONSOLE_PORT_NAME);
    CHECK(next_control().event == VIRTIO_CONSOLE_PORT_OPEN);
    control(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
  }
  // To a new board; what the old one's socket still held is returned.
  std::string move() {
    side->board->pause();
    const auto state = side->board->save();
    std::string left = side->drain();
    auto next = std::make_unique<Side>(memory, disk, log);
    const auto restored = next->board->restore(state);
    INFO((restored ? "" : restored.error().message));
    REQUIRE(restored);
    device.moves_to(next->device(kConsole));
    side = std::move(next);
    return left;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a board has the disk, the agent's port, entropy and a balloon, in this order") {
  const std::array<std::uint32_t, 4> ids{VIRTIO_ID_BLOCK, VIRTIO_ID_CONSOLE, VIRTIO_ID_RNG,
                                         VIRTIO_ID_BALLOON};
  REQUIRE(side->board->devices().size() == ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    MmioDriver each(side->device(static_cast<Place>(i)), memory);
    CHECK(each.read(VIRTIO_MMIO_DEVICE_ID) == ids.at(i));
  }
}

TEST_CASE_METHOD(Fixture, "a board that no guest has touched can be saved and restored") {
  move();
  open_port();
  driver.put(MmioDriver::buffer(kTransmit), "hello");
  driver.send(kTransmit, 0, {{MmioDriver::buffer(kTransmit).value, 5, 0}});
  CHECK(side->receive(5) == "hello");
}

TEST_CASE_METHOD(Fixture,
                 "a port that was open is open for the next board, and the driver is told so once more") {
  open_port();
  move();
  const auto message = next_control();
  CHECK(message.event == VIRTIO_CONSOLE_PORT_OPEN);
  CHECK(message.value == 1);
  // Both ways, without another word of the driver about the port.
  driver.send(kReceive, 0, {{MmioDriver::buffer(kReceive).value, 100, FakeDriver::kWrite}});
  REQUIRE(::write(side->agent.get(), "to the guest", 12) == 12);
  driver.wait_used(kReceive, 1);
  CHECK(driver.get(MmioDriver::buffer(kReceive), 12) == "to the guest");
  driver.put(MmioDriver::buffer(kTransmit), "from the guest");
  driver.send(kTransmit, 0, {{MmioDriver::buffer(kTransmit).value, 14, 0}});
  CHECK(side->receive(14) == "from the guest");
}

TEST_CASE_METHOD(Fixture, "a port that nobody had open is not read from by the next board") {
  open_port();
  control(0, VIRTIO_CONSOLE_PORT_OPEN, 0);
  move();
  driver.send(kReceive, 0, {{MmioDriver::buffer(kReceive).value, 100, FakeDriver::kWrite}});
  REQUIRE(::write(side->agent.get(), "later", 5) == 5);
  // A doorbell has been served when the next one's answer is there.
  control(7, VIRTIO_CONSOLE_PORT_READY, 1);
  CHECK(driver.queue(kReceive).used_index() == 0);
  control(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
  driver.wait_used(kReceive, 1);
  CHECK(driver.get(MmioDriver::buffer(kReceive), 5) == "later");
}

TEST_CASE_METHOD(Fixture,
                 "the next board goes on in the middle of a chain, and no byte comes twice or never") {
  open_port();
  constexpr std::uint32_t kBytes = 4 << 20;  // more than some sockets take at once
  std::string text(kBytes, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 2654435761U >> 16);
  // Behind everything else: it is longer than the place of a queue's buffers.
  const GuestAddr at{8 << 20};
  driver.put(at, text);
  driver.send(kTransmit, 0, {{at.value, kBytes, 0}});
  std::string got = side->take();
  REQUIRE(got.size() < kBytes);
  // Twice, so that what is saved of a restored board is right as well.
  for (int i = 0; i < 2; ++i) {
    got += move();
    REQUIRE(got.size() < kBytes);
    CHECK(driver.queue(kTransmit).used_index() == 0);
    got += side->take();
  }
  got += side->receive(kBytes - got.size());
  CHECK(got == text);
  driver.wait_used(kTransmit, 1);
}

TEST_CASE_METHOD(Fixture, "what a guest has rung for and nobody has served yet is served by the next board") {
  open_port();
  const Side& before = *side;
  side->board->pause();
  driver.put(MmioDriver::buffer(kTransmit), "rung");
  driver.send(kTransmit, 0, {{MmioDriver::buffer(kTransmit).value, 4, 0}});
  const auto state = side->board->save();
  CHECK(before.drain().empty());
  Side next(memory, disk, log);
  REQUIRE(next.board->restore(state));
  CHECK(next.receive(4) == "rung");
  driver.wait_used(kTransmit, 1);
}

TEST_CASE_METHOD(Fixture,
                 "a disk request that was rung for while the board stood still is answered by the next one") {
  Guest guest(side->device(kDisk));
  MmioDriver block(guest, memory);
  block.start(1);
  std::fill_n(disk.bytes.begin(), 512, std::byte{'D'});
  side->board->pause();
  const GuestAddr header = MmioDriver::buffer(0);
  REQUIRE(memory.store(header, virtio_blk_outhdr{VIRTIO_BLK_T_IN, 0, 0}));
  REQUIRE(memory.store(header + 0x100, std::uint8_t{0xff}));
  block.send(0, 0,
             {{header.value, sizeof(virtio_blk_outhdr), 0},
              {header.value + 0x1000, 512, FakeDriver::kWrite},
              {header.value + 0x100, 1, FakeDriver::kWrite}});
  const auto state = side->board->save();
  Side next(memory, disk, log);
  guest.moves_to(next.device(kDisk));
  REQUIRE(next.board->restore(state));
  block.wait_used(0, 1);
  CHECK(block.get(header + 0x1000, 512) == std::string(512, 'D'));
  CHECK(*memory.load<std::uint8_t>(header + 0x100) == VIRTIO_BLK_S_OK);
  CHECK(block.wait_interrupt() == VIRTIO_MMIO_INT_VRING);
}

TEST_CASE_METHOD(Fixture, "a board stands still between pause and resume") {
  open_port();
  side->board->pause();
  driver.put(MmioDriver::buffer(kTransmit), "later");
  driver.send(kTransmit, 0, {{MmioDriver::buffer(kTransmit).value, 5, 0}});
  ::usleep(10'000);
  CHECK(side->drain().empty());
  CHECK(driver.queue(kTransmit).used_index() == 0);
  side->board->resume();
  CHECK(side->receive(5) == "later");
}

TEST_CASE_METHOD(Fixture, "a board's state that was cut or goes on behind its end is refused") {
  open_port();
  side->board->pause();
  auto state = side->board->save();
  const auto refused = [&](std::size_t length) {
    const std::vector<std::byte> bytes(state.begin(), state.begin() + static_cast<std::ptrdiff_t>(length));
    const auto restored = Side(memory, disk, log).board->restore(bytes);
    return !restored && restored.error().code == ErrorCode::kOutOfRange;
  };
  // Each part's last byte among them.
  for (std::size_t length = 0; length < state.size(); length += 7) {
    INFO(length << " of " << state.size());
    CHECK(refused(length));
  }
  CHECK(refused(state.size() - 1));
  state.push_back(std::byte{0});
  CHECK(refused(state.size()));
}

TEST_CASE_METHOD(Fixture, "a board's state with any byte changed is refused or leaves a board that works") {
  open_port();
  side->board->pause();
  const auto state = side->board->save();
  for (std::size_t at = 0; at < state.size(); at += 3) {
    auto bytes = state;
    bytes[at] ^= std::byte{0xff};
    const Side other(memory, disk, log);
    if (const auto restored = other.board->restore(bytes); !restored) {
      CHECK_FALSE(restored.error().message.empty());
      continue;
    }
    other.board->pause();
    CHECK(other.board->save().size() == state.size());
    other.board->resume();
    for (MmioDevice* each : other.board->devices()) MmioDriver(*each, memory).reset();
  }
}
