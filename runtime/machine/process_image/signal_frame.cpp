// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/process_image/signal_frame.hpp"

#include <ucontext.h>

#include <array>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace tl::machine {
namespace {

constexpr std::size_t kAlignment = 64;  // XRSTOR's

// Calls that were interrupted begin again: the kernel would see to it if the thread had never gone.
ucontext_t context_of(const StoppedProcess::Thread& thread, std::uint64_t extended) {
  constexpr unsigned long kHasExtended = 1;      // UC_FP_XSTATE
  constexpr unsigned long kHasStackSegment = 6;  // UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS
  const user_regs_struct registers = StoppedProcess::to_go_on(thread);
  ucontext_t context{};
  context.uc_flags = kHasExtended | kHasStackSegment;
  std::memcpy(&context.uc_stack, thread.signal_stack.data(), sizeof thread.signal_stack);
  const std::array<std::pair<int, std::uint64_t>, 19> general = {{
      {REG_R8, registers.r8},
      {REG_R9, registers.r9},
      {REG_R10, registers.r10},
      {REG_R11, registers.r11},
      {REG_R12, registers.r12},
      {REG_R13, registers.r13},
      {REG_R14, registers.r14},
      {REG_R15, registers.r15},
      {REG_RDI, registers.rdi},
      {REG_RSI, registers.rsi},
      {REG_RBP, registers.rbp},
      {REG_RBX, registers.rbx},
      {REG_RDX, registers.rdx},
      {REG_RAX, registers.rax},
      {REG_RCX, registers.rcx},
      {REG_RSP, registers.rsp},
      {REG_RIP, registers.rip},
      {REG_EFL, registers.eflags},
      {REG_CSGSFS, registers.cs | registers.ss << 48},
  }};
  for (const auto& [number, value] : general) context.uc_mcontext.gregs[number] = static_cast<greg_t>(value);
  std::memcpy(&context.uc_mcontext.fpregs, &extended, sizeof extended);
  std::memcpy(&context.uc_sigmask, &thread.signal_mask, sizeof thread.signal_mask);
  return context;
}

// The XSAVE area as a signal's frame has it: with a description in the bytes that the processor leaves to
// programs, and a mark behind it.
std::vector<std::byte> frame_area(std::span<const std::byte> extended) {
  constexpr std::size_t kDescription = 464;
  constexpr std::uint32_t kMagic1 = 0x46505853;
  constexpr std::uint32_t kMagic2 = 0x46505845;
  std::vector<std::byte> area(extended.begin(), extended.end());
  std::uint64_t features = 0;  // ptrace has them there
  std::memcpy(&features, area.data() + kDescription, sizeof features);
  struct {
    std::uint32_t magic = kMagic1;
    std::uint32_t whole_size;
    std::uint64_t features;
    std::uint32_t size;
    std::array<std::uint32_t, 7> rest{};
  } description{};
  description.whole_size = static_cast<std::uint32_t>(area.size() + sizeof kMagic2);
  description.features = features;
  description.size = static_cast<std::uint32_t>(area.size());
  std::memcpy(area.data() + kDescription, &description, sizeof description);
  const auto mark = std::as_bytes(std::span(&kMagic2, 1));
  area.insert(area.end(), mark.begin(), mark.end());
  return area;
}

}  // namespace

std::uint64_t add_signal_frame(const StoppedProcess::Thread& thread, ScriptData& data) {
  const std::uint64_t area = data.add(frame_area(thread.extended), kAlignment);
  return data.add_object(context_of(thread, area), kAlignment);
}

}  // namespace tl::machine
