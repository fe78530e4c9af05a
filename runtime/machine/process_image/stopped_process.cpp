// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/process_image/stopped_process.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "common/io.hpp"

namespace tl::machine {
namespace {

constexpr std::size_t kExtendedBytes = 16 << 10;  // more than any processor's
constexpr std::size_t kRedZone = 128;             // bytes below the stack pointer that are a function's, too
constexpr std::uint16_t kSyscallInstruction = 0x050f;

// What the kernel has instead of a result in a call that was interrupted and begins again.
bool begins_again(std::uint64_t result) {
  constexpr std::int64_t kFirst = 512;  // ERESTARTSYS
  constexpr std::int64_t kLast = 516;   // ERESTART_RESTARTBLOCK
  const auto number = -static_cast<std::int64_t>(result);
  return number >= kFirst && number <= kLast;
}

Result<std::vector<pid_t>> thread_ids(pid_t pid) {
  std::vector<pid_t> ids;
  std::error_code error;
  for (std::filesystem::directory_iterator at(fmt::format("/proc/{}/task", pid), error), end;
       !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    pid_t id = 0;
    std::from_chars(name.data(), name.data() + name.size(), id);
    if (id > 0) ids.push_back(id);
  }
  if (error) return errno_error(error.value(), "list the threads");
  std::sort(ids.begin(), ids.end(), [&](pid_t a, pid_t b) { return (a == pid) > (b == pid); });
  return ids;
}

Result<void> await_stop(pid_t id) {
  int status = 0;
  while (::waitpid(id, &status, __WALL) < 0) {
    if (errno != EINTR) return errno_error("wait for a thread to stand still");
  }
  if (!WIFSTOPPED(status)) return Error{ErrorCode::kFailure, "a thread has ended", ""};
  if (WSTOPSIG(status) != SIGTRAP) return Error{ErrorCode::kFailure, "a thread has got a signal", ""};
  return {};
}

}  // namespace

StoppedProcess::StoppedProcess(StoppedProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      memory_(std::move(other.memory_)),
      threads_(std::move(other.threads_)),
      seized_(std::exchange(other.seized_, {})),
      signal_actions_(std::move(other.signal_actions_)),
      heap_end_(other.heap_end_) {}

StoppedProcess::~StoppedProcess() {
  for (const pid_t id : seized_) ::ptrace(PTRACE_DETACH, id, nullptr, nullptr);
}

Result<StoppedProcess> StoppedProcess::stop(pid_t pid) {
  StoppedProcess process(pid);
  if (auto seized = process.seize_all(); !seized) return seized.error();
  auto memory = open_at(AT_FDCWD, fmt::format("/proc/{}/mem", pid), O_RDWR);
  if (!memory) return memory.error();
  process.memory_ = *std::move(memory);
  for (Thread& thread : process.threads_) {
    if (auto examined = process.examine(thread); !examined) return examined.error();
    if (auto asked = process.ask(thread); !asked) return asked.error();
  }
  if (auto asked = process.ask_signal_actions(); !asked) return asked.error();
  const auto heap_end = process.call(process.threads_.front(), SYS_brk, {0});
  if (!heap_end) return heap_end.error();
  process.heap_end_ = *heap_end;
  return process;
}

// Until there is no thread that was not there the last time: one that runs can make others.
Result<void> StoppedProcess::seize_all() {
  for (bool more = true; more;) {
    more = false;
    const auto ids = thread_ids(pid_);
    if (!ids) return ids.error();
    for (const pid_t id : *ids) {
      if (std::find(seized_.begin(), seized_.end(), id) != seized_.end()) continue;
      if (::ptrace(PTRACE_SEIZE, id, nullptr, nullptr) != 0) {
        if (errno == ESRCH) return Error{ErrorCode::kConflict, "a thread has just ended", ""};
        return errno_error("trace the process");
      }
      seized_.push_back(id);
      more = true;
      if (::ptrace(PTRACE_INTERRUPT, id, nullptr, nullptr) != 0) return errno_error("stop a thread");
      if (auto stopped = await_stop(id); !stopped) return stopped;
      threads_.emplace_back().id = id;
    }
  }
  return {};
}

Result<void> StoppedProcess::read(std::uint64_t address, std::span<std::byte> bytes) const {
  return pread_exact(memory_.get(), bytes, address);
}

user_regs_struct StoppedProcess::to_go_on(const Thread& thread) {
  user_regs_struct registers = thread.registers;
  registers.rax = registers.orig_rax;
  registers.rip -= sizeof kSyscallInstruction;
  return registers;
}

// What ptrace and /proc tell.
Result<void> StoppedProcess::examine(Thread& thread) const {
  user_regs_struct& registers = thread.registers;
  iovec area{&registers, sizeof registers};
  if (::ptrace(PTRACE_GETREGSET, thread.id, NT_PRSTATUS, &area) != 0) return errno_error("read registers");
  std::uint16_t instruction = 0;
  if (auto read_it =
          read(registers.rip - sizeof instruction, std::as_writable_bytes(std::span(&instruction, 1)));
      !read_it)
    return read_it;
  // One whose call is over may hold a lock, and its owner's number would be another's. One that waits has
  // been interrupted, and has no result yet.
  const auto in_call = static_cast<std::int64_t>(registers.orig_rax) >= 0;
  if (!in_call || instruction != kSyscallInstruction || !begins_again(registers.rax))
    return Error{ErrorCode::kConflict, "a thread is doing something", ""};
  thread.extended.resize(kExtendedBytes);
  area = {thread.extended.data(), thread.extended.size()};
  if (::ptrace(PTRACE_GETREGSET, thread.id, NT_X86_XSTATE, &area) != 0) return errno_error("read registers");
  thread.extended.resize(area.iov_len);
  if (::ptrace(PTRACE_GETSIGMASK, thread.id, sizeof thread.signal_mask, &thread.signal_mask) != 0)
    return errno_error("read a signal mask");
  if (::syscall(SYS_get_robust_list, thread.id, &thread.robust_list, &thread.robust_list_size) != 0)
    return errno_error("read a list of mutexes");
  __ptrace_rseq_configuration rseq{};
  // A kernel that has no such request has no such area that a C library of its time would use.
  if (::ptrace(PTRACE_GET_RSEQ_CONFIGURATION, thread.id, sizeof rseq, &rseq) > 0) {
    thread.rseq = rseq.rseq_abi_pointer;
    thread.rseq_size = rseq.rseq_abi_size;
    thread.rseq_signature = rseq.signature;
  }
  auto name = read_file(AT_FDCWD, fmt::format("/proc/{}/task/{}/comm", pid_, thread.id), 64);
  if (!name) return name.error();
  if (!name->empty() && name->back() == '\n') name->pop_back();
  thread.name = *std::move(name);
  return {};
}

// What only the thread itself can be asked.
Result<void> StoppedProcess::ask(Thread& thread) const {
  const auto slack = call(thread, SYS_prctl, {PR_GET_TIMERSLACK});
  if (!slack) return slack.error();
  thread.timer_slack_ns = *slack;
  const std::uint64_t scratch = (thread.registers.rsp - kRedZone - sizeof thread.signal_stack) & ~15ULL;
  std::array<std::uint64_t, 3> before{};
  if (auto kept = read(scratch, std::as_writable_bytes(std::span(before))); !kept) return kept;
  const auto told = call(thread, SYS_sigaltstack, {0, scratch});
  if (!told) return told.error();
  if (auto got = read(scratch, std::as_writable_bytes(std::span(thread.signal_stack))); !got) return got;
  return pwrite_all(memory_.get(), std::as_bytes(std::span(before)), scratch);
}

Result<void> StoppedProcess::ask_signal_actions() {
  const Thread& main = threads_.front();
  const std::uint64_t scratch = (main.registers.rsp - kRedZone - sizeof(SignalAction)) & ~15ULL;
  SignalAction before{};
  if (auto kept = read(scratch, std::as_writable_bytes(std::span(before))); !kept) return kept;
  signal_actions_.resize(kSignals);
  for (int signal = 1; signal <= kSignals; ++signal) {
    const auto told =
        call(main, SYS_rt_sigaction, {static_cast<std::uint64_t>(signal), 0, scratch, sizeof(std::uint64_t)});
    if (!told) return told.error();
    SignalAction& action = signal_actions_[static_cast<std::size_t>(signal) - 1];
    if (auto got = read(scratch, std::as_writable_bytes(std::span(action))); !got) return got;
  }
  return pwrite_all(memory_.get(), std::as_bytes(std::span(before)), scratch);
}

Result<std::uint64_t> StoppedProcess::call(const Thread& thread, long number,
                                           std::array<std::uint64_t, 4> arguments) const {
  user_regs_struct registers = thread.registers;
  registers.rip -= sizeof kSyscallInstruction;
  registers.rax = static_cast<std::uint64_t>(number);
  registers.orig_rax = ~0ULL;  // it is in no call: nothing begins again
  registers.rdi = arguments[0];
  registers.rsi = arguments[1];
  registers.rdx = arguments[2];
  registers.r10 = arguments[3];
  iovec area{&registers, sizeof registers};
  if (::ptrace(PTRACE_SETREGSET, thread.id, NT_PRSTATUS, &area) != 0) return errno_error("write registers");
  Result<void> stepped;
  if (::ptrace(PTRACE_SINGLESTEP, thread.id, nullptr, nullptr) != 0) {
    stepped = errno_error("step a thread");
  } else {
    stepped = await_stop(thread.id);
  }
  if (stepped && ::ptrace(PTRACE_GETREGSET, thread.id, NT_PRSTATUS, &area) != 0)
    stepped = errno_error("read registers");
  const std::uint64_t result = registers.rax;
  user_regs_struct as_before = thread.registers;
  area = {&as_before, sizeof as_before};
  if (::ptrace(PTRACE_SETREGSET, thread.id, NT_PRSTATUS, &area) != 0 && stepped)
    stepped = errno_error("write registers");
  if (!stepped) return stepped.error();
  if (static_cast<std::int64_t>(result) < 0)
    return errno_error(static_cast<int>(-static_cast<std::int64_t>(result)), "ask a thread");
  return result;
}

}  // namespace tl::machine
