// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstring>
#include <vector>

#include "runtime/virtio/mmio_transport.hpp"
#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::virtio;

namespace {

MmioTransportState state() {
  MmioTransportState made;
  made.status = 15;
  made.interrupt_status = 1;
  made.device_features_select = 1;
  made.driver_features_select = 0xffffffff;
  made.queue_select = 7;
  made.driver_features = 0x0001'0001'2011'2233;
  MmioTransportState::QueueRegisters ready;
  ready.ready = true;
  ready.queue.layout = {256, GuestAddr{0x1'2345'6000}, GuestAddr{0x7000}, GuestAddr{0x8000}};
  ready.queue.features = {true, false};
  ready.queue.next_available = 65535;
  ready.queue.next_used = 1;
  ready.queue.signalled_used = 2;
  MmioTransportState::QueueRegisters half;
  half.queue.layout = {8, GuestAddr{0x1000}, {}, {}};
  half.queue.features = {false, true};
  made.queues = {ready, half, {}};
  return made;
}

std::vector<std::byte> written(const MmioTransportState& from) {
  StateWriter to;
  from.write_to(to);
  return to.take();
}

// Its own allocation, so that a sanitizer sees a look behind its end.
Result<MmioTransportState> read(std::span<const std::byte> bytes) {
  const std::vector<std::byte> copy(bytes.begin(), bytes.end());
  StateReader from(copy);
  return MmioTransportState::read_from(from);
}

}  // namespace

TEST_CASE("a transport's registers are the same after they were bytes") {
  const MmioTransportState before = state();
  const auto after = read(written(before));
  REQUIRE(after);
  CHECK(after->status == before.status);
  CHECK(after->interrupt_status == before.interrupt_status);
  CHECK(after->device_features_select == before.device_features_select);
  CHECK(after->driver_features_select == before.driver_features_select);
  CHECK(after->queue_select == before.queue_select);
  CHECK(after->driver_features == before.driver_features);
  REQUIRE(after->queues.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto& a = before.queues[i];
    const auto& b = after->queues[i];
    CHECK(a.ready == b.ready);
    CHECK(a.queue.layout.size == b.queue.layout.size);
    CHECK(a.queue.layout.descriptors == b.queue.layout.descriptors);
    CHECK(a.queue.layout.available == b.queue.layout.available);
    CHECK(a.queue.layout.used == b.queue.layout.used);
    CHECK(a.queue.features.event_index == b.queue.features.event_index);
    CHECK(a.queue.features.indirect == b.queue.features.indirect);
    CHECK(a.queue.next_available == b.queue.next_available);
    CHECK(a.queue.next_used == b.queue.next_used);
    CHECK(a.queue.signalled_used == b.queue.signalled_used);
  }
  CHECK(written(*after) == written(before));
}

TEST_CASE("transports stand one behind the other, and the rest is the next one's") {
  StateWriter to;
  state().write_to(to);
  MmioTransportState().write_to(to);
  state().write_to(to);
  const auto bytes = to.take();
  StateReader from(bytes);
  for (const std::size_t queues : {3U, 0U, 3U}) {
    const auto one = MmioTransportState::read_from(from);
    REQUIRE(one);
    CHECK(one->queues.size() == queues);
  }
  CHECK(from.at_end());
}

TEST_CASE("a transport's bytes that end too early are refused wherever they end") {
  const auto whole = written(state());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    INFO(length);
    const auto refused = read(std::span(whole).first(length));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kOutOfRange);
  }
}

TEST_CASE("a number of queues that cannot be is refused before any is made") {
  const auto whole = written(state());
  // The mark, then six numbers of which it is the last, each with its length in front.
  const std::size_t at = 4 + std::strlen("virtio-mmio 1") + 5 * 8 + 4;
  std::uint32_t queues = 0;
  std::memcpy(&queues, whole.data() + at, sizeof queues);
  REQUIRE(queues == 3);
  for (const std::uint32_t lie : {4U, 1024U, 1025U, 0xffffffffU}) {
    auto bytes = whole;
    std::memcpy(bytes.data() + at, &lie, sizeof lie);
    CHECK_FALSE(read(bytes));
  }
}

TEST_CASE("no changed byte of a transport does harm, and what is read can be written again") {
  const auto whole = written(state());
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const auto flip : {std::byte{1}, std::byte{2}, std::byte{0x80}, std::byte{0xff}}) {
      auto bytes = whole;
      bytes[at] ^= flip;
      if (const auto taken = read(bytes)) CHECK(written(*taken).size() <= whole.size());
    }
  }
}
