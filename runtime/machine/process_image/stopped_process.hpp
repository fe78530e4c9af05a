// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::machine {

// A process of ours, all of whose threads stand still for as long as the object lives: each in a system call
// that it waits in, which begins again when they go on. By ptrace(2), so an object is for the thread that
// made it, and the process has no other tracer. x86-64.
class StoppedProcess {
 public:
  struct Thread {
    pid_t id = 0;
    std::string name;
    user_regs_struct registers{};        // as they are when the thread goes on by itself
    std::vector<std::byte> extended;     // x87, SSE, AVX, …: an XSAVE area, as NT_X86_XSTATE has it
    std::uint64_t signal_mask = 0;       // bit n: signal n + 1 is blocked
    std::uint64_t robust_list = 0;       // set_robust_list(2); 0: none
    std::uint64_t robust_list_size = 0;  // bytes
    std::uint64_t rseq = 0;              // rseq(2): its area; 0: none
    std::uint32_t rseq_size = 0;         // bytes
    std::uint32_t rseq_signature = 0;
    std::uint64_t timer_slack_ns = 0;
    std::array<std::uint64_t, 3> signal_stack{};  // stack_t as the kernel has it
  };
  // struct sigaction as the kernel has it: handler, flags, restorer, mask.
  using SignalAction = std::array<std::uint64_t, 4>;
  static constexpr int kSignals = 64;

  // kFailure when it cannot be traced, kConflict when one of its threads is doing something.
  static Result<StoppedProcess> stop(pid_t pid);
  StoppedProcess(StoppedProcess&&) noexcept;
  StoppedProcess& operator=(StoppedProcess&&) = delete;
  ~StoppedProcess();

  // A thread's registers for one that is made anew: what it waited in begins again.
  static user_regs_struct to_go_on(const Thread& thread);

  [[nodiscard]] pid_t pid() const { return pid_; }
  // The main thread first.
  [[nodiscard]] std::span<const Thread> threads() const { return threads_; }
  // Of signals 1 to kSignals, in order.
  [[nodiscard]] std::span<const SignalAction> signal_actions() const { return signal_actions_; }
  // Where its heap ends, brk(2).
  [[nodiscard]] std::uint64_t heap_end() const { return heap_end_; }
  Result<void> read(std::uint64_t address, std::span<std::byte> bytes) const;

 private:
  explicit StoppedProcess(pid_t pid) : pid_(pid) {}
  Result<void> seize_all();
  Result<void> examine(Thread& thread) const;
  Result<void> ask(Thread& thread) const;
  Result<void> ask_signal_actions();
  // The thread makes a system call, and is as it was before.
  Result<std::uint64_t> call(const Thread& thread, long number, std::array<std::uint64_t, 4> arguments) const;

  pid_t pid_;  // -1: moved from
  UniqueFd memory_;
  std::vector<Thread> threads_;
  std::vector<pid_t> seized_;
  std::vector<SignalAction> signal_actions_;
  std::uint64_t heap_end_ = 0;
};

}  // namespace tl::machine
