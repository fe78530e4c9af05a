// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/machine_state.hpp"

#include "common/saved_state.hpp"

// The layout of what KVM fills in is the kernel's ABI and stays; a change of anything else here needs another
// first mark.
namespace tl::machine::kvm {
namespace {

constexpr std::string_view kBegin = "kvm machine 1";
constexpr std::uint64_t kMostVcpus = 64;

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
  into.resize(bytes->size() / sizeof(kvm_msr_entry));
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
  if (auto got = from.get(into.tsc); !got) return got;
  std::uint64_t vcpus = 0;
  if (auto got = from.get(vcpus); !got) return got;
  if (vcpus == 0 || vcpus > kMostVcpus)
    return Error{ErrorCode::kOutOfRange, "the saved state has an impossible number of vCPUs", ""};
  into.vcpus.resize(vcpus);
  for (VcpuState& vcpu : into.vcpus) {
    if (auto got = get(from, vcpu); !got) return got;
  }
  if (auto got = from.expect("chips"); !got) return got;
  if (auto got = from.get(into.vm); !got) return got;
  if (auto got = from.get(into.serial); !got) return got;
  if (auto got = from.expect("board"); !got) return got;
  const auto board = from.get_bytes();
  if (!board) return board.error();
  into.board.assign(board->begin(), board->end());
  return {};
}

}  // namespace

std::vector<std::byte> to_bytes(const MachineState& state) {
  StateWriter to;
  to.mark(kBegin);
  to.put(state.tsc_khz);
  to.put(state.tsc);
  to.put(std::uint64_t{state.vcpus.size()});
  for (const VcpuState& vcpu : state.vcpus) put(to, vcpu);
  to.mark("chips");
  to.put(state.vm);
  to.put(state.serial);
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
