// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <vector>

#include "runtime/virtio/block/device.hpp"
#include "runtime/virtio/block/request.hpp"
#include "runtime/virtio/mmio_transport.hpp"
#include "tests/support/mmio_driver.hpp"

using namespace tl;
using namespace tl::virtio;
using namespace tl::virtio::test;

namespace {

constexpr std::uint64_t kDiskBytes = 1 << 20;

// A disk in memory that can fail.
class MemoryDisk final : public BlockDevice {
 public:
  [[nodiscard]] std::uint64_t size_bytes() const override { return bytes.size(); }
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override {
    check(offset, into.size());
    if (failing) return Error{ErrorCode::kFailure, "the disk is broken", ""};
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
    return {};
  }
  Result<void> write(std::uint64_t offset, std::span<const std::byte> from) override {
    check(offset, from.size());
    if (failing) return Error{ErrorCode::kHostLacks, "no space left", ""};
    std::copy(from.begin(), from.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Result<void> write_zeroes(std::uint64_t offset, std::uint64_t length) override {
    check(offset, length);
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), length, std::byte{0});
    return {};
  }
  Result<void> discard(std::uint64_t offset, std::uint64_t length) override {
    ++discards;
    return write_zeroes(offset, length);
  }
  Result<void> flush() override {
    ++flushes;
    return {};
  }
  static void check(std::uint64_t offset, std::uint64_t length) {
    REQUIRE(offset % kSectorBytes == 0);
    REQUIRE(length % kSectorBytes == 0);
    REQUIRE(offset <= kDiskBytes);
    REQUIRE(length <= kDiskBytes - offset);
  }
  std::vector<std::byte> bytes = std::vector<std::byte>(kDiskBytes);
  int flushes = 0;
  int discards = 0;
  bool failing = false;
};

struct Fixture {
  static constexpr GuestAddr kHeader = FakeDriver::kBuffers;
  static constexpr GuestAddr kData{FakeDriver::kBuffers.value + 0x1000};
  static constexpr GuestAddr kStatus{FakeDriver::kBuffers.value + 0x100};

  Log log{STDERR_FILENO};
  GuestMemory memory = *GuestMemory::create(4 << 20);
  std::unique_ptr<IoThread> thread = *IoThread::start("test");
  MemoryDisk disk;
  block::Block* device = nullptr;
  std::unique_ptr<MmioTransport> transport = make(2);
  MmioDriver driver{*transport, memory};
  std::uint16_t done = 0;

  Fixture() { driver.start(2, 64); }
  std::unique_ptr<MmioTransport> make(unsigned queues) {
    auto made = std::make_unique<block::Block>(disk, queues, *thread, log);
    device = made.get();
    return *MmioTransport::create(std::move(made), memory, *thread, log);
  }
  // The status with which a request of these data buffers ends.
  int ask(std::uint32_t type, std::uint64_t sector, std::vector<FakeDriver::Descriptor> data) {
    const struct {
      std::uint32_t type, reserved;
      std::uint64_t sector;
    } header{type, 0, sector};
    REQUIRE(memory.store(kHeader, header));
    REQUIRE(memory.store(kStatus, std::uint8_t{0xee}));
    data.insert(data.begin(), {kHeader.value, 16, 0});
    data.push_back({kStatus.value, 1, FakeDriver::kWrite});
    driver.send(0, 0, std::move(data));
    driver.wait_used(0, ++done);
    return *memory.load<std::uint8_t>(kStatus);
  }
  int ask_ranges(std::uint32_t type, std::vector<virtio_blk_discard_write_zeroes> ranges) {
    for (std::size_t i = 0; i < ranges.size(); ++i) REQUIRE(memory.store(kData + i * 16, ranges[i]));
    return ask(type, 0, {{kData.value, static_cast<std::uint32_t>(ranges.size() * 16), 0}});
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "the disk tells its size and its bounds") {
  const auto config = driver.config<virtio_blk_config>();
  CHECK(config.capacity == kDiskBytes / 512);
  CHECK(config.num_queues == 2);
  CHECK(config.seg_max == block::kMostSegments);
  CHECK(config.max_discard_seg == block::kMostRanges);
}

TEST_CASE_METHOD(Fixture, "what is written is read again, whatever the buffers are cut into") {
  std::string text(8192, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  driver.put(kData, text);
  CHECK(ask(VIRTIO_BLK_T_OUT, 3, {{kData.value, 8192, 0}}) == VIRTIO_BLK_S_OK);
  CHECK(driver.queue(0).used(0).written == 1);

  driver.put(kData, std::string(16384, '-'));
  // Odd pieces with gaps between them, in the order 1, 0, 2.
  const auto at = kData.value;
  CHECK(ask(VIRTIO_BLK_T_IN, 3,
            {{at + 5000, 1001, FakeDriver::kWrite},
             {at, 3000, FakeDriver::kWrite},
             {at + 8000, 4191, FakeDriver::kWrite}}) == VIRTIO_BLK_S_OK);
  CHECK(driver.queue(0).used(1).written == 8193);
  const std::string again =
      driver.get({at + 5000}, 1001) + driver.get({at}, 3000) + driver.get({at + 8000}, 4191);
  CHECK(again == text);
  CHECK(driver.get({at + 6001}, 1) == "-");
  CHECK(transport->faults() == 0);
}

TEST_CASE_METHOD(Fixture, "header and status may lie anywhere in the buffers") {
  const std::uint64_t header[] = {VIRTIO_BLK_T_IN, 0};
  REQUIRE(memory.store(kHeader, header));
  disk.bytes[0] = std::byte{'z'};
  const auto at = kHeader.value;
  driver.send(0, 0,
              {{at, 5, 0},
               {at + 5, 11, 0},
               {kData.value, 500, FakeDriver::kWrite},
               {kData.value + 500, 13, FakeDriver::kWrite}});
  driver.wait_used(0, 1);
  CHECK(driver.get(kData, 1) == "z");
  CHECK(*memory.load<std::uint8_t>(kData + 512) == VIRTIO_BLK_S_OK);
}

TEST_CASE_METHOD(Fixture, "flush, discard, write-zeroes and the name") {
  disk.bytes.assign(kDiskBytes, std::byte{1});
  CHECK(ask(VIRTIO_BLK_T_FLUSH, 0, {}) == VIRTIO_BLK_S_OK);
  CHECK(disk.flushes == 1);
  CHECK(ask_ranges(VIRTIO_BLK_T_WRITE_ZEROES, {{8, 8, 0}, {32, 8, 1}}) == VIRTIO_BLK_S_OK);
  CHECK(disk.bytes[8 * 512] == std::byte{0});
  CHECK(disk.bytes[32 * 512] == std::byte{0});
  CHECK(disk.bytes[16 * 512] == std::byte{1});
  CHECK(ask_ranges(VIRTIO_BLK_T_DISCARD, {{16, 8, 0}, {0, 0, 0}}) == VIRTIO_BLK_S_OK);
  CHECK(disk.discards == 1);
  CHECK(ask(VIRTIO_BLK_T_GET_ID, 0, {{kData.value, 20, FakeDriver::kWrite}}) == VIRTIO_BLK_S_OK);
  CHECK(driver.get(kData, 7) == "tl-root");
}

TEST_CASE_METHOD(Fixture,
                 "what lies outside of the disk or is no whole sector is refused and touches nothing") {
  const std::uint64_t sectors = kDiskBytes / 512;
  const auto refused = [&](std::uint64_t sector, std::uint32_t bytes) {
    return ask(VIRTIO_BLK_T_OUT, sector, {{kData.value, bytes, 0}}) == VIRTIO_BLK_S_IOERR &&
           ask(VIRTIO_BLK_T_IN, sector, {{kData.value, bytes, FakeDriver::kWrite}}) == VIRTIO_BLK_S_IOERR;
  };
  CHECK(refused(sectors, 512));
  CHECK(refused(sectors - 1, 1024));
  CHECK(refused(~0ULL, 512));
  CHECK(refused(~0ULL / 512 + 1, 512));  // wraps to 0 in bytes
  CHECK(refused(0, 511));
  CHECK(refused(0, 513));
  CHECK_FALSE(refused(sectors - 1, 512));
  CHECK(transport->faults() == 12);
}

TEST_CASE_METHOD(Fixture,
                 "ranges that are too many, too long, outside or with unknown flags are refused as a whole") {
  disk.bytes.assign(kDiskBytes, std::byte{1});
  const virtio_blk_discard_write_zeroes good{0, 8, 0};
  const auto kinds = {std::uint32_t{VIRTIO_BLK_T_DISCARD}, std::uint32_t{VIRTIO_BLK_T_WRITE_ZEROES}};
  for (const std::uint32_t kind : kinds) {
    CHECK(ask_ranges(kind, {good, {kDiskBytes / 512, 1, 0}}) == VIRTIO_BLK_S_IOERR);
    CHECK(ask_ranges(kind, {good, {~0ULL, 8, 0}}) == VIRTIO_BLK_S_IOERR);
    CHECK(ask_ranges(kind, {good, {0, 0xffffffff, 0}}) == VIRTIO_BLK_S_IOERR);
    CHECK(ask_ranges(kind, {good, {0, 8, 0x80000000}}) == VIRTIO_BLK_S_UNSUPP);
    CHECK(ask_ranges(kind, std::vector(block::kMostRanges + 1, good)) == VIRTIO_BLK_S_IOERR);
    CHECK(ask(kind, 0, {{kData.value, 17, 0}}) == VIRTIO_BLK_S_IOERR);
    CHECK(ask(kind, 0, {}) == VIRTIO_BLK_S_IOERR);
  }
  CHECK(ask_ranges(VIRTIO_BLK_T_DISCARD, {good, {0, 8, 1}}) == VIRTIO_BLK_S_UNSUPP);
  CHECK(disk.bytes[0] == std::byte{1});
}

TEST_CASE_METHOD(Fixture,
                 "an unknown request is unsupported, and one without header or status is only a fault") {
  CHECK(ask(99, 0, {}) == VIRTIO_BLK_S_UNSUPP);
  driver.send(0, 0, {{kHeader.value, 16, 0}});
  driver.wait_used(0, ++done);
  driver.send(0, 0, {{kHeader.value, 15, 0}, {kStatus.value, 1, FakeDriver::kWrite}});
  driver.wait_used(0, ++done);
  driver.send(0, 0, {{kStatus.value, 1, FakeDriver::kWrite}});
  driver.wait_used(0, ++done);
  CHECK(transport->faults() == 4);
  CHECK(driver.queue(0).used(3).written == 0);
}

TEST_CASE_METHOD(Fixture, "a disk that fails is an I/O error for the guest, and the device goes on") {
  disk.failing = true;
  for (int i = 0; i < 30; ++i) CHECK(ask(VIRTIO_BLK_T_OUT, 0, {{kData.value, 512, 0}}) == VIRTIO_BLK_S_IOERR);
  CHECK(ask(VIRTIO_BLK_T_IN, 0, {{kData.value, 512, FakeDriver::kWrite}}) == VIRTIO_BLK_S_IOERR);
  disk.failing = false;
  CHECK(ask(VIRTIO_BLK_T_IN, 0, {{kData.value, 512, FakeDriver::kWrite}}) == VIRTIO_BLK_S_OK);
  CHECK(device->disk_errors() == 31);
  CHECK(transport->faults() == 0);
}

TEST_CASE_METHOD(Fixture, "every queue is served") {
  disk.bytes[512] = std::byte{'q'};
  const std::uint64_t header[] = {VIRTIO_BLK_T_IN, 1};
  REQUIRE(memory.store(MmioDriver::buffer(1), header));
  driver.send(
      1, 0,
      {{MmioDriver::buffer(1).value, 16, 0}, {MmioDriver::buffer(1, 0x1000).value, 513, FakeDriver::kWrite}});
  driver.wait_used(1, 1);
  CHECK(driver.get(MmioDriver::buffer(1, 0x1000), 1) == "q");
}
