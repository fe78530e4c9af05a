// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "runtime/machine/kvm/bus.hpp"
#include "runtime/machine/kvm/vcpu.hpp"

namespace tl::machine::kvm {

// Why a vCPU will not run any more.
struct VcpuEnd {
  enum class Cause {
    kShutdown,  // a triple fault, which is how guests without firmware reset
    kReset,     // the guest asked for a reset
    kBroken,    // KVM cannot go on; `detail` says why, `registers` where
  };
  Cause cause = Cause::kBroken;
  std::string detail;
  std::string registers;
};

// How often vCPUs came back from the guest for us to do something, by reason. Any thread.
struct ExitCounts {
  std::atomic<std::uint64_t> port_io = 0;
  std::atomic<std::uint64_t> mmio = 0;
  std::atomic<std::uint64_t> interrupted = 0;
  std::atomic<std::uint64_t> other = 0;
};

// Does what a vCPU came back for. Nothing when it goes on, else the end. On the vCPU's thread.
std::optional<VcpuEnd> handle_exit(Vcpu& vcpu, Bus& bus, ExitCounts& counts);
// The end that an error of Vcpu::enter means.
VcpuEnd end_of_failed_entry(const Vcpu& vcpu, int error);

}  // namespace tl::machine::kvm
