// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/vcpu_state.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "runtime/machine/kvm/kvm_ioctl.hpp"
#include "runtime/machine/kvm/kvm_msrs.hpp"
#include "runtime/machine/kvm/kvm_xsave.hpp"
#include "runtime/machine/kvm/vcpu.hpp"

// The order is half of the matter. When a vCPU is given its state:
//
//   - system registers come before the local APIC, because they say whether it is on and in which mode;
//   - the local APIC comes before the MSRs, because TSC_DEADLINE is dropped unless the timer is in that mode;
//   - of the MSRs the TSC is the first and TSC_DEADLINE the last, because the deadline is compared with the
//   TSC when
//     it is set;
//   - events (a pending exception or NMI) come last: everything before may raise or drop one.
//
// When it is taken, the multiprocessor state is asked for first: KVM looks through pending INITs and SIPIs
// for it, which changes what the rest says.
namespace tl::machine::kvm {
namespace {

constexpr std::uint32_t kMsrTsc = 0x10;
constexpr std::uint32_t kMsrTscDeadline = 0x6e0;
constexpr std::size_t kLeastXsaveBytes = sizeof(XsaveHead);

Result<void> io(int fd, unsigned long request, const char* name, void* argument) {
  const auto done = kvm_ioctl(fd, request, name, reinterpret_cast<unsigned long>(argument));
  if (!done) return done.error();
  return {};
}

// TSC first, TSC_DEADLINE last.
int rank(std::uint32_t msr) {
  return msr == kMsrTsc ? 0 : msr == kMsrTscDeadline ? 2 : 1;
}

// Reads those that the vCPU has; KVM stops at the first that it has not.
Result<std::vector<kvm_msr_entry>> read_msrs(int fd, std::vector<std::uint32_t> indices) {
  std::stable_sort(indices.begin(), indices.end(),
                   [](std::uint32_t a, std::uint32_t b) { return rank(a) < rank(b); });
  std::vector<kvm_msr_entry> read;
  for (std::size_t next = 0; next < indices.size();) {
    MsrTable table = {};
    while (table.head.count < MsrTable::kEntries && next + table.head.count < indices.size()) {
      table.entry[table.head.count].index = indices[next + table.head.count];
      ++table.head.count;
    }
    const auto got = kvm_ioctl(fd, kGetMsrs, "KVM_GET_MSRS", reinterpret_cast<unsigned long>(&table));
    if (!got) return got.error();
    read.insert(read.end(), table.entry, table.entry + *got);
    next += static_cast<std::size_t>(*got);
    if (static_cast<std::uint32_t>(*got) < table.head.count) ++next;
  }
  return read;
}

}  // namespace

Result<VcpuState> Vcpu::save(const Vm& vm) const {
  VcpuState state;
  const int fd = fd_.get();
  if (auto got = io(fd, KVM_GET_MP_STATE, "KVM_GET_MP_STATE", &state.mp_state); !got) return got.error();
  if (auto got = io(fd, KVM_GET_REGS, "KVM_GET_REGS", &state.registers); !got) return got.error();
  if (auto got = io(fd, KVM_GET_SREGS, "KVM_GET_SREGS", &state.system); !got) return got.error();
  const int xsave_bytes = vm.value_of(KVM_CAP_XSAVE2);
  state.xsave.resize(
      std::max<std::size_t>(kLeastXsaveBytes, xsave_bytes > 0 ? static_cast<std::size_t>(xsave_bytes) : 0));
  const bool large = xsave_bytes > 0;
  if (auto got = io(fd, large ? kGetXsave2 : kGetXsave, "KVM_GET_XSAVE", state.xsave.data()); !got)
    return got.error();
  if (auto got = io(fd, KVM_GET_XCRS, "KVM_GET_XCRS", &state.xcrs); !got) return got.error();
  if (auto got = io(fd, KVM_GET_DEBUGREGS, "KVM_GET_DEBUGREGS", &state.debug); !got) return got.error();
  if (auto got = io(fd, KVM_GET_LAPIC, "KVM_GET_LAPIC", &state.apic); !got) return got.error();
  if (auto got = io(fd, KVM_GET_VCPU_EVENTS, "KVM_GET_VCPU_EVENTS", &state.events); !got) return got.error();
  auto indices = vm.msr_indices();
  if (!indices) return indices.error();
  auto msrs = read_msrs(fd, *std::move(indices));
  if (!msrs) return msrs.error();
  state.msrs = *std::move(msrs);
  return state;
}

Result<void> Vcpu::restore(const VcpuState& state) {
  VcpuState copy = state;
  const int fd = fd_.get();
  if (copy.xsave.size() < kLeastXsaveBytes)
    return Error{ErrorCode::kOutOfRange, "a vCPU's XSAVE area is too short", ""};
  if (auto set = io(fd, KVM_SET_MP_STATE, "KVM_SET_MP_STATE", &copy.mp_state); !set) return set;
  if (auto set = io(fd, KVM_SET_REGS, "KVM_SET_REGS", &copy.registers); !set) return set;
  if (auto set = io(fd, KVM_SET_SREGS, "KVM_SET_SREGS", &copy.system); !set) return set;
  if (auto set = io(fd, kSetXsave, "KVM_SET_XSAVE", copy.xsave.data()); !set) return set;
  // None where the processor has no XSAVE, and then KVM refuses to hear of it.
  if (copy.xcrs.nr_xcrs > 0) {
    if (auto set = io(fd, KVM_SET_XCRS, "KVM_SET_XCRS", &copy.xcrs); !set) return set;
  }
  if (auto set = io(fd, KVM_SET_DEBUGREGS, "KVM_SET_DEBUGREGS", &copy.debug); !set) return set;
  if (auto set = io(fd, KVM_SET_LAPIC, "KVM_SET_LAPIC", &copy.apic); !set) return set;
  for (const kvm_msr_entry& msr : copy.msrs) {
    if (auto set = set_msrs(std::span(&msr, 1)); set) continue;
    // Some can only be read. That is fine as long as they read the same here.
    const auto here = read_msrs(fd, {msr.index});
    if (!here || here->empty() || here->front().data != msr.data)
      return Error{ErrorCode::kHostLacks, fmt::format("this host's KVM does not take MSR {:#x}", msr.index),
                   ""};
  }
  return io(fd, KVM_SET_VCPU_EVENTS, "KVM_SET_VCPU_EVENTS", &copy.events);
}

}  // namespace tl::machine::kvm
