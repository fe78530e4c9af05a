// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/queue.hpp"

#include <string>

#include "tests/support/catch.hpp"
#include "tests/support/fake_driver.hpp"

namespace tl::virtio::test {
namespace {

constexpr std::uint16_t kSize = 8;
constexpr std::uint64_t kMemory = 1 << 20;
constexpr std::uint64_t kBuffer = FakeDriver::kBuffers.value;

GuestMemory make_memory() {
  auto memory = GuestMemory::create(kMemory);
  REQUIRE(memory);
  return *std::move(memory);
}

struct Fixture {
  explicit Fixture(QueueFeatures features = {}, std::uint16_t size = kSize)
      : driver(memory, size), queue(make_queue(features)) {}

  Queue make_queue(QueueFeatures features) {
    auto made = Queue::create(memory, {driver.layout(), features});
    REQUIRE(made);
    return *std::move(made);
  }
  void check_broken(const std::string& word) {
    CHECK_FALSE(queue.pop());
    INFO(queue.broken());
    CHECK(queue.broken().find(word) != std::string::npos);
    CHECK_FALSE(queue.pop());
  }

  GuestMemory memory = make_memory();
  FakeDriver driver;
  Queue queue;
};

}  // namespace

TEST_CASE("an empty queue gives nothing") {
  Fixture f;
  CHECK_FALSE(f.queue.pop());
  CHECK(f.queue.broken().empty());
}

TEST_CASE("a chain is given with its buffers in order, and back to the driver with what was written") {
  Fixture f;
  f.driver.set_chain(
      3, {{kBuffer, 16, 0, 0}, {kBuffer + 64, 8, 0, 0}, {kBuffer + 128, 4, FakeDriver::kWrite, 0}});
  f.driver.offer(3);
  const auto chain = f.queue.pop();
  REQUIRE(chain);
  REQUIRE(chain->readable.size() == 2);
  REQUIRE(chain->writable.size() == 1);
  CHECK(chain->readable[1].size() == 8);
  CHECK_FALSE(f.queue.pop());
  f.queue.push(chain->head, 4);
  CHECK(f.driver.used_index() == 1);
  CHECK(f.driver.used(0).head == 3);
  CHECK(f.driver.used(0).written == 4);
}

TEST_CASE("chains come in the order in which they were offered, also when the indices wrap") {
  Fixture f;
  for (std::uint16_t i = 0; i < kSize; ++i) f.driver.set(i, {kBuffer + i, 1, 0, 0});
  for (std::uint32_t round = 0; round < 70'000; ++round) {
    const auto head = static_cast<std::uint16_t>(round * 3 % kSize);
    f.driver.offer(head);
    const auto chain = f.queue.pop();
    if (!chain || chain->head != head) FAIL("round " << round);
    f.queue.push(head, round);
    if (f.driver.used(round % kSize).written != round) FAIL("round " << round);
  }
  CHECK(f.driver.used_index() == static_cast<std::uint16_t>(70'000));
}

TEST_CASE("buffers are read and written across their borders") {
  Fixture f;
  REQUIRE(f.memory.write(GuestAddr{kBuffer}, std::as_bytes(std::span("abcdefgh", 8))));
  f.driver.set_chain(0, {{kBuffer, 3, 0, 0},
                         {kBuffer + 3, 5, 0, 0},
                         {kBuffer + 100, 2, FakeDriver::kWrite, 0},
                         {kBuffer + 200, 9, FakeDriver::kWrite, 0}});
  f.driver.offer(0);
  const auto chain = f.queue.pop();
  REQUIRE(chain);
  ChainReader reader(*chain);
  CHECK(reader.remaining() == 8);
  std::string text(10, '.');
  CHECK(reader.read(std::as_writable_bytes(std::span(text.data(), 2))) == 2);
  CHECK(reader.read(std::as_writable_bytes(std::span(text.data() + 2, 8))) == 6);
  CHECK(text == "abcdefgh..");
  CHECK(reader.remaining() == 0);
  ChainWriter writer(*chain);
  CHECK(writer.write(std::as_bytes(std::span("12345", 5))) == 5);
  CHECK(writer.written() == 5);
  CHECK(writer.remaining() == 6);
  CHECK(writer.write(std::as_bytes(std::span("67890abcdef", 11))) == 6);
  CHECK(writer.written() == 11);
  CHECK(f.memory.load<char>(GuestAddr{kBuffer + 101}) == '2');
  CHECK(f.memory.load<char>(GuestAddr{kBuffer + 200}) == '3');
}

TEST_CASE("an indirect table is followed when that was agreed") {
  Fixture f({.event_index = false, .indirect = true});
  f.driver.set_chain(0, {{kBuffer, 4, 0, 0}, {FakeDriver::kTable.value, 32, FakeDriver::kIndirect, 0}});
  f.driver.set(FakeDriver::kTable, 0, {kBuffer + 8, 4, FakeDriver::kNext, 1});
  f.driver.set(FakeDriver::kTable, 1, {kBuffer + 16, 4, FakeDriver::kWrite, 0});
  f.driver.offer(0);
  const auto chain = f.queue.pop();
  REQUIRE(chain);
  CHECK(chain->readable.size() == 2);
  CHECK(chain->writable.size() == 1);
}

TEST_CASE(
    "an indirect table is refused when it was not agreed, is nested, goes on, or has a strange length") {
  SECTION("not agreed") {
    Fixture f;
    f.driver.set(0, {FakeDriver::kTable.value, 16, FakeDriver::kIndirect, 0});
    f.driver.offer(0);
    f.check_broken("without the feature");
  }
  Fixture f({.event_index = false, .indirect = true});
  SECTION("nested") {
    f.driver.set(0, {FakeDriver::kTable.value, 16, FakeDriver::kIndirect, 0});
    f.driver.set(FakeDriver::kTable, 0, {FakeDriver::kTable.value, 16, FakeDriver::kIndirect, 0});
    f.driver.offer(0);
    f.check_broken("in an indirect table");
  }
  SECTION("nested in the queue's own table") {
    f.driver.set(0, {FakeDriver::kDescriptors.value, 16 * kSize, FakeDriver::kIndirect, 0});
    f.driver.offer(0);
    f.check_broken("in an indirect table");
  }
  SECTION("goes on") {
    f.driver.set(0, {FakeDriver::kTable.value, 16, FakeDriver::kIndirect | FakeDriver::kNext, 1});
    f.driver.offer(0);
    f.check_broken("goes on");
  }
  SECTION("lengths") {
    const std::uint32_t length = GENERATE(0U, 15U, 17U, 0xfffffff0U, 0xffffffffU);
    f.driver.set(0, {FakeDriver::kTable.value, length, FakeDriver::kIndirect, 0});
    f.driver.offer(0);
    f.check_broken("indirect table");
  }
  SECTION("an index beyond its end") {
    f.driver.set(0, {FakeDriver::kTable.value, 16, FakeDriver::kIndirect, 0});
    f.driver.set(FakeDriver::kTable, 0, {kBuffer, 4, FakeDriver::kNext, 1});
    f.driver.offer(0);
    f.check_broken("does not exist");
  }
}

TEST_CASE("chains that no driver may make break the queue") {
  Fixture f;
  SECTION("a head that does not exist") {
    f.driver.offer(kSize);
    f.check_broken("does not exist");
  }
  SECTION("a next that does not exist") {
    f.driver.set(0, {kBuffer, 4, FakeDriver::kNext, 0xffff});
    f.driver.offer(0);
    f.check_broken("does not exist");
  }
  SECTION("a loop") {
    f.driver.set(0, {kBuffer, 4, FakeDriver::kNext, 1});
    f.driver.set(1, {kBuffer, 4, FakeDriver::kNext, 0});
    f.driver.offer(0);
    f.check_broken("goes round");
  }
  SECTION("a loop of nothing") {
    f.driver.set(0, {0, 0, FakeDriver::kNext, 0});
    f.driver.offer(0);
    f.check_broken("goes round");
  }
  SECTION("readable behind writable") {
    f.driver.set_chain(0, {{kBuffer, 4, FakeDriver::kWrite, 0}, {kBuffer, 4, 0, 0}});
    f.driver.offer(0);
    f.check_broken("behind a writable");
  }
  SECTION("addresses outside of the memory") {
    const auto address = GENERATE(kMemory - 3, kMemory, ~std::uint64_t{0}, ~std::uint64_t{0} - 2);
    f.driver.set(0, {address, 4, 0, 0});
    f.driver.offer(0);
    f.check_broken("outside of the memory");
  }
  SECTION("a length that wraps") {
    f.driver.set(0, {kBuffer, 0xffffffff, 0, 0});
    f.driver.offer(0);
    f.check_broken("outside of the memory");
  }
  SECTION("more chains than the queue has") {
    f.driver.set_available_index(kSize + 1);
    f.check_broken("chains in a queue");
  }
}

TEST_CASE("layouts that no driver may choose are refused") {
  const auto memory = make_memory();
  QueueLayout layout = FakeDriver(memory, kSize).layout();
  SECTION("sizes") {
    layout.size = GENERATE(std::uint16_t{0}, std::uint16_t{3}, std::uint16_t{2048}, std::uint16_t{0xffff});
  }
  SECTION("descriptors not aligned") {
    layout.descriptors = {0x1008};
  }
  SECTION("available ring not aligned") {
    layout.available = {0x6001};
  }
  SECTION("used ring not aligned") {
    layout.used = {0x8002};
  }
  SECTION("descriptors reach over the end") {
    layout.descriptors = {kMemory - 16};
  }
  SECTION("available ring at the end of all addresses") {
    layout.available = {~std::uint64_t{1}};
  }
  SECTION("used ring outside") {
    layout.used = {kMemory};
  }
  const auto queue = Queue::create(memory, {layout, {}});
  REQUIRE_FALSE(queue);
  CHECK(queue.error().code == ErrorCode::kOutOfRange);
}

TEST_CASE("the driver is interrupted unless it has said that it need not be") {
  Fixture f;
  f.driver.set(0, {kBuffer, 4, 0, 0});
  CHECK_FALSE(f.queue.should_interrupt());
  f.queue.push(0, 0);
  CHECK(f.queue.should_interrupt());
  CHECK_FALSE(f.queue.should_interrupt());
  f.driver.set_available_flags(1);
  f.queue.push(0, 0);
  CHECK_FALSE(f.queue.should_interrupt());
}

TEST_CASE("with the event index the driver is interrupted when its event is reached, once") {
  Fixture f({.event_index = true, .indirect = false});
  f.driver.set_used_event(2);
  f.queue.push(0, 0);
  CHECK_FALSE(f.queue.should_interrupt());
  f.queue.push(0, 0);
  CHECK_FALSE(f.queue.should_interrupt());
  f.queue.push(0, 0);
  CHECK(f.queue.should_interrupt());
  f.queue.push(0, 0);
  CHECK_FALSE(f.queue.should_interrupt());
  f.driver.set_used_event(5);
  for (int i = 0; i < 4; ++i) f.queue.push(0, 0);
  CHECK(f.queue.should_interrupt());
}

TEST_CASE("notifications are asked for, and what came meanwhile is told") {
  const bool event_index = GENERATE(false, true);
  Fixture f({.event_index = event_index, .indirect = false});
  f.driver.set(0, {kBuffer, 4, 0, 0});
  f.queue.disable_notification();
  if (!event_index) CHECK(f.driver.used_flags() == 1);
  CHECK_FALSE(f.queue.enable_notification());
  CHECK(f.driver.used_flags() == 0);
  f.driver.offer(0);
  CHECK(f.queue.enable_notification());
  REQUIRE(f.queue.pop());
  CHECK_FALSE(f.queue.enable_notification());
  if (event_index) CHECK(f.driver.available_event() == 1);
}

TEST_CASE("a broken queue asks nobody to look again") {
  Fixture f;
  f.driver.offer(kSize);
  CHECK_FALSE(f.queue.pop());
  CHECK_FALSE(f.queue.enable_notification());
}

TEST_CASE("a queue goes on from its saved state") {
  Fixture f({.event_index = true, .indirect = true});
  f.driver.set(0, {kBuffer, 4, 0, 0});
  f.driver.set(1, {kBuffer, 4, 0, 0});
  f.driver.offer(0);
  f.driver.offer(1);
  REQUIRE(f.queue.pop());
  f.queue.push(0, 0);
  auto again = Queue::create(f.memory, f.queue.state());
  REQUIRE(again);
  CHECK(again->should_interrupt());
  const auto chain = again->pop();
  REQUIRE(chain);
  CHECK(chain->head == 1);
  again->push(1, 7);
  CHECK(f.driver.used_index() == 2);
  CHECK(f.driver.used(1).written == 7);
}

}  // namespace tl::virtio::test
