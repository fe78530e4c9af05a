// SPDX-License-Identifier: Apache-2.0
// A guest that writes to its disk all the time while it is saved. Skipped without a kernel, and without QEMU.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "common/block_device.hpp"
#include "runtime/storage/nbd_server.hpp"
#include "tests/unit/machine/saving_guest.hpp"

using namespace tl;
using namespace tl::machine;
using namespace tl::machine::test;

namespace {

// Slow, so that there is always a request under way. Sees whether each write is the one after the last.
class CountingDisk final : public BlockDevice {
 public:
  [[nodiscard]] std::uint64_t size_bytes() const override { return contents_.size(); }
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override {
    std::copy_n(contents_.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
    return {};
  }
  Result<void> write(std::uint64_t offset, std::span<const std::byte> from) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::copy(from.begin(), from.end(), contents_.begin() + static_cast<std::ptrdiff_t>(offset));
    std::uint64_t number = 0;
    std::memcpy(&number, from.data(), sizeof number);
    if (number != last_ + 1) in_order_ = false;
    last_ = number;
    return {};
  }
  Result<void> write_zeroes(std::uint64_t /*offset*/, std::uint64_t /*length*/) override { return {}; }
  Result<void> discard(std::uint64_t /*offset*/, std::uint64_t /*length*/) override { return {}; }
  Result<void> flush() override { return {}; }

  [[nodiscard]] std::uint64_t last() const { return last_; }
  [[nodiscard]] bool in_order() const { return in_order_; }

 private:
  std::vector<std::byte> contents_ = std::vector<std::byte>(2 << 20);
  std::atomic<std::uint64_t> last_ = 0;
  std::atomic<bool> in_order_ = true;
};

// A guest and the server of its disk, which goes first when the guest has gone.
struct WritingGuest {
  explicit WritingGuest(CountingDisk& its_disk) : disk(its_disk) {}

  using Begin = storage::NbdServer::Begin;
  UniqueFd serve(Begin begin = Begin::kNegotiation) {
    auto ends = stream_socket_pair();
    server = *storage::NbdServer::start(std::move(ends->first), disk, guest.log, begin);
    return std::move(ends->second);
  }
  void wait_for_writes(std::uint64_t more) {
    const std::uint64_t until = disk.last() + more;
    for (int i = 0; i < 30'000 && disk.last() < until; ++i) {
      guest.context.restart();
      guest.context.run_for(std::chrono::milliseconds(2));
    }
    REQUIRE(disk.last() >= until);
  }

  CountingDisk& disk;
  std::unique_ptr<storage::NbdServer> server;
  SavingGuest guest;
};

}  // namespace

TEST_CASE("a disk's request that is under way is finished when the guest is paused, and nothing is lost") {
  const auto kernel = tcg_test_kernel();
  if (!kernel) return;
  CountingDisk disk;
  auto running = std::make_unique<WritingGuest>(disk);
  running->guest.boot(*kernel, {.command = 'd', .disk = running->serve()});
  running->wait_for_writes(3);
  for (int round = 0; round < 5; ++round) {
    REQUIRE(run(running->guest.context, running->guest.machine->pause()));
    const std::uint64_t last = disk.last();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK(disk.last() == last);
    const Saved saved = running->guest.save();
    if (round % 2 == 0) {
      REQUIRE(run(running->guest.context, running->guest.machine->resume()));
    } else {
      running = std::make_unique<WritingGuest>(disk);
      REQUIRE(running->guest.go_on(saved, {.disk = running->serve()}));
    }
    running->wait_for_writes(3);
    CHECK(disk.in_order());
  }
}

TEST_CASE("a disk is written on, in order, by the process that was kept") {
  const auto kernel = tcg_test_kernel();
  if (!kernel) return;
  const TempFolder folder;
  const auto image = folder.path / "emulator";
  CountingDisk disk;
  auto running = std::make_unique<WritingGuest>(disk);
  running->guest.boot(*kernel, {.command = 'd', .disk = running->serve()});
  running->wait_for_writes(3);
  const Saved saved = running->guest.save();
  REQUIRE(run(running->guest.context, running->guest.machine->keep_process(image)));
  running = std::make_unique<WritingGuest>(disk);
  const auto gone_on = running->guest.go_on(
      saved, {.disk = running->serve(WritingGuest::Begin::kTransmission), .process_image = image});
  INFO((gone_on ? "" : gone_on.error().message));
  REQUIRE(gone_on);
  running->wait_for_writes(20);
  CHECK(disk.in_order());
}
