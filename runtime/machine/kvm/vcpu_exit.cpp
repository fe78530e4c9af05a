// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/vcpu_exit.hpp"

#include <linux/kvm.h>

#include <algorithm>
#include <span>

#include <fmt/format.h>

namespace tl::machine::kvm {
namespace {

using Cause = VcpuEnd::Cause;

void do_port_io(kvm_run& run, Bus& bus) {
  auto* at = reinterpret_cast<std::byte*>(&run) + run.io.data_offset;
  for (std::uint32_t i = 0; i < run.io.count; ++i, at += run.io.size) {
    const std::span value(at, run.io.size);
    if (run.io.direction == KVM_EXIT_IO_IN) {
      bus.in(run.io.port, value);
    } else {
      bus.out(run.io.port, value);
    }
  }
}

void do_mmio(kvm_run& run, Bus& bus) {
  const auto value = std::as_writable_bytes(std::span(run.mmio.data)).first(std::min(run.mmio.len, 8U));
  if (run.mmio.is_write != 0) {
    bus.store(GuestAddr{run.mmio.phys_addr}, value);
  } else {
    bus.load(GuestAddr{run.mmio.phys_addr}, value);
  }
}

std::string instruction_bytes(const kvm_run& run) {
  if ((run.emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) == 0) return "";
  std::string text;
  const std::size_t count = std::min<std::size_t>(run.emulation_failure.insn_size, 15);
  for (std::size_t i = 0; i < count; ++i) text += fmt::format(" {:02x}", run.emulation_failure.insn_bytes[i]);
  return text;
}

VcpuEnd internal_error(const Vcpu& vcpu, const kvm_run& run) {
  if (run.internal.suberror == KVM_INTERNAL_ERROR_EMULATION) {
    return {Cause::kBroken, "KVM cannot emulate an instruction of the guest:" + instruction_bytes(run),
            vcpu.describe()};
  }
  return {Cause::kBroken, fmt::format("KVM has an internal error ({})", run.internal.suberror),
          vcpu.describe()};
}

VcpuEnd system_event(const Vcpu& vcpu, const kvm_run& run) {
  if (run.system_event.type == KVM_SYSTEM_EVENT_RESET) return {Cause::kReset, "", ""};
  if (run.system_event.type == KVM_SYSTEM_EVENT_SHUTDOWN) return {Cause::kShutdown, "", ""};
  return {Cause::kBroken, fmt::format("KVM reports the system event {}", run.system_event.type),
          vcpu.describe()};
}

}  // namespace

std::optional<VcpuEnd> handle_exit(Vcpu& vcpu, Bus& bus, ExitCounts& counts) {
  kvm_run& run = vcpu.run();
  switch (run.exit_reason) {
    case KVM_EXIT_IO:
      ++counts.port_io;
      do_port_io(run, bus);
      return std::nullopt;
    case KVM_EXIT_MMIO:
      ++counts.mmio;
      do_mmio(run, bus);
      return std::nullopt;
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN:
      ++counts.interrupted;
      return std::nullopt;
    case KVM_EXIT_SHUTDOWN:
      return VcpuEnd{Cause::kShutdown, "", vcpu.describe()};
    case KVM_EXIT_SYSTEM_EVENT:
      return system_event(vcpu, run);
    case KVM_EXIT_INTERNAL_ERROR:
      return internal_error(vcpu, run);
    case KVM_EXIT_FAIL_ENTRY:
      return VcpuEnd{Cause::kBroken,
                     fmt::format("the processor refuses to enter the guest (reason {:#x})",
                                 run.fail_entry.hardware_entry_failure_reason),
                     vcpu.describe()};
    default:
      return VcpuEnd{Cause::kBroken, fmt::format("KVM stops for an unknown reason ({})", run.exit_reason),
                     vcpu.describe()};
  }
}

VcpuEnd end_of_failed_entry(const Vcpu& vcpu, int error) {
  return {Cause::kBroken, errno_error(error, "KVM cannot run the guest").message, vcpu.describe()};
}

}  // namespace tl::machine::kvm
