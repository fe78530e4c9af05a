// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/machine_state.hpp"

#include <string>

#include "common/saved_state.hpp"

// The layout of what KVM fills in is the kernel's ABI and stays; a change of anything else here needs another
// first mark.
namespace tl::machine::kvm {
namespace {

constexpr std::string_view kBegin = "kvm machine 1";
constexpr std::uint64_t kMostVcpus = 64;

// SerialState as bytes: a bool may not be read before it is known to be one.
struct PackedSerial {
  std::uint8_t interrupt_enable, line_control, modem_control, scratch, divisor_low, divisor_high, looped;
  std::uint8_t fifo, has_looped, transmitter_told;
};
static_assert(sizeof(PackedSerial) == 10);

PackedSerial pack(const SerialState& serial) {
  const auto byte = [](bool value) { return static_cast<std::uint8_t>(value ? 1 : 0); };
  return {serial.interrupt_enable, serial.line_control,          serial.modem_control, serial.scratch,
          serial.divisor_low,      serial.divisor_high,          serial.looped,        byte(serial.fifo),
          byte(serial.has_looped), byte(serial.transmitter_told)};
}

SerialState unpack(const PackedSerial& packed) {
  return {packed.interrupt_enable, packed.line_control,         packed.modem_control, packed.scratch,
          packed.divisor_low,      packed.divisor_high,         packed.looped,        packed.fifo != 0,
          packed.has_looped != 0,  packed.transmitter_told != 0};
}

Error refuse(const char* what) {
  return Error{ErrorCode::kOutOfRange, std::string("the saved state ") + what, ""};
}

void put(StateWriter& to, const VcpuState& vcpu) {
  to.mark("vcpu");
  to.put(vcpu.mp_state);
  to.put(vcpu.registers);
  to.put(vcpu.system);
  to.put_bytes(vcpu.xsave);
  to.put(vcpu.xcrs);
  to.put(vcpu.debug);
  to.put(vcpu.apic);
  to.put(vcpu.events);
  to.put_bytes(std::as_bytes(std::span(vcpu.msrs)));
}

Result<void> get_msrs(StateReader& from, std::vector<kvm_msr_entry>& into) {
  const auto bytes = from.get_bytes();
  if (!bytes) return bytes.error();
  if (bytes->size() % sizeof(kvm_msr_entry) != 0) return refuse("has half an MSR");
  into.resize(bytes->size() / sizeof(kvm_msr_entry));
  if (into.empty()) return {};
  std::memcpy(into.data(), bytes->data(), into.size() * sizeof(kvm_msr_entry));
  return {};
}

Result<void> get(StateReader& from, VcpuState& into) {
  if (auto got = from.expect("vcpu"); !got) return got;
  if (auto got = from.get(into.mp_state); !got) return got;
  if (auto got = from.get(into.registers); !got) return got;
  if (auto got = from.get(into.system); !got) return got;
  const auto xsave = from.get_bytes();
  if (!xsave) return xsave.error();
  into.xsave.assign(xsave->begin(), xsave->end());
  if (auto got = from.get(into.xcrs); !got) return got;
  if (auto got = from.get(into.debug); !got) return got;
  if (auto got = from.get(into.apic); !got) return got;
  if (auto got = from.get(into.events); !got) return got;
  return get_msrs(from, into.msrs);
}

Result<void> get(StateReader& from, MachineState& into) {
  if (auto got = from.expect(kBegin); !got) return got;
  if (auto got = from.get(into.tsc_khz); !got) return got;
  if (into.tsc_khz == 0) return refuse("has a clock that stands still");
  if (auto got = from.get(into.tsc); !got) return got;
  std::uint64_t vcpus = 0;
  if (auto got = from.get(vcpus); !got) return got;
  if (vcpus == 0 || vcpus > kMostVcpus) return refuse("has an impossible number of vCPUs");
  into.vcpus.resize(vcpus);
  for (VcpuState& vcpu : into.vcpus) {
    if (auto got = get(from, vcpu); !got) return got;
  }
  if (auto got = from.expect("chips"); !got) return got;
  if (auto got = from.get(into.vm); !got) return got;
  PackedSerial serial = {};
  if (auto got = from.get(serial); !got) return got;
  into.serial = unpack(serial);
  if (auto got = from.expect("board"); !got) return got;
  const auto board = from.get_bytes();
  if (!board) return board.error();
  into.board.assign(board->begin(), board->end());
  if (!from.at_end()) return refuse("goes on behind its end");
  return {};
}

}  // namespace

std::uint64_t clock_at(const MachineState& state, std::uint64_t tsc) {
  constexpr std::int64_t kNanosecondsPerMillisecond = 1'000'000;
  const std::int64_t khz = state.tsc_khz;  // ticks in a millisecond
  const auto ticks = static_cast<std::int64_t>(tsc - state.tsc);
  const std::int64_t passed =
      ticks / khz * kNanosecondsPerMillisecond + ticks % khz * kNanosecondsPerMillisecond / khz;
  return state.vm.clock.clock + static_cast<std::uint64_t>(passed);
}

std::vector<std::byte> to_bytes(const MachineState& state) {
  StateWriter to;
  to.mark(kBegin);
  to.put(state.tsc_khz);
  to.put(state.tsc);
  to.put(std::uint64_t{state.vcpus.size()});
  for (const VcpuState& vcpu : state.vcpus) put(to, vcpu);
  to.mark("chips");
  to.put(state.vm);
  to.put(pack(state.serial));
  to.mark("board");
  to.put_bytes(state.board);
  return to.take();
}

Result<MachineState> machine_state_from(std::span<const std::byte> bytes) {
  StateReader from(bytes);
  MachineState state;
  if (auto got = get(from, state); !got) return got.error();
  return state;
}

}  // namespace tl::machine::kvm
