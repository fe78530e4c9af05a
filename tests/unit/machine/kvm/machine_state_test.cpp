// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/machine_state.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

#include "common/saved_state.hpp"
#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::machine::kvm;

namespace {

template <typename T>
void fill(T& value, int with) {
  static_assert(std::is_trivially_copyable_v<T>);
  const std::vector<std::byte> bytes(sizeof value, static_cast<std::byte>(with));
  std::memcpy(static_cast<void*>(&value), bytes.data(), sizeof value);
}

VcpuState vcpu(int mark, std::size_t msrs) {
  VcpuState state;
  fill(state.mp_state, mark);
  fill(state.registers, mark + 1);
  fill(state.system, mark + 2);
  state.xsave.assign(4096 + 64, static_cast<std::byte>(mark + 3));
  fill(state.xcrs, mark + 4);
  fill(state.debug, mark + 5);
  fill(state.apic, mark + 6);
  fill(state.events, mark + 7);
  for (std::uint32_t i = 0; i < msrs; ++i)
    state.msrs.push_back({0x10 + i, 0, std::uint64_t{0x1122334455667788} + i});
  return state;
}

MachineState saved() {
  MachineState state;
  state.tsc_khz = 2'450'000;
  fill(state.vm, 0x21);
  state.vcpus = {vcpu(0x31, 3), vcpu(0x41, 0)};
  state.serial = {1, 3, 0x13, 0x5a, 1, 2, 'L', true, true, false};
  state.board = {std::byte{'b'}, std::byte{'o'}};
  return state;
}

template <typename T>
bool same(const T& a, const T& b) {
  return std::ranges::equal(std::as_bytes(std::span(&a, 1)), std::as_bytes(std::span(&b, 1)));
}

// Its own allocation, so that a sanitizer sees a look behind its end.
Result<MachineState> read(std::span<const std::byte> bytes) {
  const std::vector<std::byte> copy(bytes.begin(), bytes.end());
  return machine_state_from(copy);
}

bool refused(std::span<const std::byte> bytes) {
  const auto state = read(bytes);
  return !state && state.error().code == ErrorCode::kOutOfRange;
}

// Where a mark's text stands.
std::size_t find(const std::vector<std::byte>& bytes, std::string_view mark) {
  const auto text = std::as_bytes(std::span(mark));
  const auto found = std::search(bytes.begin(), bytes.end(), text.begin(), text.end());
  REQUIRE(found != bytes.end());
  return static_cast<std::size_t>(found - bytes.begin());
}

}  // namespace

TEST_CASE("a machine's state is the same after it was bytes") {
  const MachineState before = saved();
  const auto after = read(to_bytes(before));
  REQUIRE(after);
  CHECK(after->tsc_khz == before.tsc_khz);
  CHECK(same(after->vm, before.vm));
  CHECK(after->board == before.board);
  REQUIRE(after->vcpus.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const VcpuState& a = before.vcpus[i];
    const VcpuState& b = after->vcpus[i];
    CHECK(same(a.mp_state, b.mp_state));
    CHECK(same(a.registers, b.registers));
    CHECK(same(a.system, b.system));
    CHECK(a.xsave == b.xsave);
    CHECK(same(a.xcrs, b.xcrs));
    CHECK(same(a.debug, b.debug));
    CHECK(same(a.apic, b.apic));
    CHECK(same(a.events, b.events));
    REQUIRE(a.msrs.size() == b.msrs.size());
    for (std::size_t m = 0; m < a.msrs.size(); ++m) CHECK(same(a.msrs[m], b.msrs[m]));
  }
  CHECK(to_bytes(*after) == to_bytes(before));
}

TEST_CASE("the serial port's state is part of a machine's, each field for itself") {
  const auto after = read(to_bytes(saved()));
  REQUIRE(after);
  const SerialState& serial = after->serial;
  CHECK(serial.interrupt_enable == 1);
  CHECK(serial.line_control == 3);
  CHECK(serial.modem_control == 0x13);
  CHECK(serial.scratch == 0x5a);
  CHECK(serial.divisor_low == 1);
  CHECK(serial.divisor_high == 2);
  CHECK(serial.looped == 'L');
  CHECK(serial.fifo);
  CHECK(serial.has_looped);
  CHECK_FALSE(serial.transmitter_told);
}

TEST_CASE("a machine's state that ends too early or goes on too long is refused") {
  const auto whole = to_bytes(saved());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    if (!refused(std::span(whole).first(length))) FAIL("of " << whole.size() << " bytes " << length);
  }
  auto longer = whole;
  longer.push_back(std::byte{0});
  CHECK(refused(longer));
  longer.insert(longer.end(), whole.begin(), whole.end());
  CHECK(refused(longer));
}

TEST_CASE("a machine cannot have been saved with no vCPU, with too many, or with half an MSR") {
  MachineState state = saved();
  state.vcpus.clear();
  CHECK(refused(to_bytes(state)));
  state.vcpus.assign(65, VcpuState());
  CHECK(refused(to_bytes(state)));
  state.vcpus.resize(64);
  CHECK(read(to_bytes(state)));

  // The number of vCPUs stands before the first of them.
  auto bytes = to_bytes(saved());
  const std::size_t count = find(bytes, "vcpu") - sizeof(std::uint32_t) - sizeof(std::uint64_t);
  for (const std::uint64_t lie :
       {std::uint64_t{1}, std::uint64_t{3}, ~std::uint64_t{0}, std::uint64_t{1} << 32}) {
    std::memcpy(bytes.data() + count, &lie, sizeof lie);
    CHECK(refused(bytes));
  }

  // The MSRs of the last vCPU, none, stand before the chips: seven bytes of one are put there.
  bytes = to_bytes(saved());
  const std::size_t chips = find(bytes, "chips") - sizeof(std::uint32_t);
  const std::uint32_t seven = 7;
  std::memcpy(bytes.data() + chips - sizeof seven, &seven, sizeof seven);
  bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(chips), 7, std::byte{0});
  CHECK(refused(bytes));
}

TEST_CASE("no changed byte of a machine's state does harm, and what is read can be written again") {
  const auto whole = to_bytes(saved());
  std::size_t taken = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    // Every byte of what is ours; of what is KVM's, which is taken as it is, some.
    const bool ours = at < 64 || at + 4096 > whole.size();
    if (!ours && at % 37 != 0) continue;
    for (const auto flip : {std::byte{2}, std::byte{0xff}}) {
      auto bytes = whole;
      bytes[at] ^= flip;
      const auto state = read(bytes);
      if (!state) continue;
      ++taken;
      CHECK(to_bytes(*state).size() == whole.size());
      auto serial = *Serial::create([](std::uint8_t) {});
      serial->restore(state->serial);
      for (std::uint16_t port = 0; port < 8; ++port) serial->read_port(port);
    }
  }
  CHECK(taken > 0);
}

TEST_CASE("another version of a machine's state is refused at its beginning") {
  auto bytes = to_bytes(saved());
  bytes[find(bytes, "kvm machine 1") + 12] = std::byte{'2'};
  const auto state = read(bytes);
  REQUIRE_FALSE(state);
  CHECK(state.error().message.find("kvm machine 1") != std::string::npos);
}

TEST_CASE("a saved clock goes on with the TSC, from before the moment it was read, too") {
  MachineState state;
  state.tsc_khz = 2'000'000;
  state.tsc = 5'000'000'000'000;
  state.vm.clock.clock = 70'000'000'000;
  CHECK(clock_at(state, state.tsc) == 70'000'000'000);
  CHECK(clock_at(state, state.tsc + 2'000'000) == 70'001'000'000);
  CHECK(clock_at(state, state.tsc - 2'000'000) == 69'999'000'000);
  CHECK(clock_at(state, state.tsc + 1'200'000'000'000) == 670'000'000'000);
}
