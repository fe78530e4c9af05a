// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/probe/kvm_probe.hpp"

#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include <fmt/format.h>

#include "common/io.hpp"
#include "runtime/machine/kvm/cpu_fingerprint.hpp"
#include "runtime/machine/kvm/kvm_ioctl.hpp"
#include "runtime/machine/probe/probe_vm.hpp"

// The guest runs in a child process, for three reasons: SIGKILL ends KVM_RUN whatever it is stuck in, a
// CPU-time timer bounds it fairly on a busy host, and no signal handler of ours is needed. The child makes
// bare system calls only, because another thread may have held any lock at the fork; it reports through a
// shared page.
namespace tl::machine {
namespace {

constexpr std::chrono::milliseconds kCpuTime(150);
// CPU time is what tells an interpreter; a busy host's kernel may take its time to make a machine.
constexpr std::chrono::seconds kPatience(15);
constexpr int kLoopTurns = 3;

struct Capability {
  int number;
  const char* name;
};
// What our machine builds on.
constexpr Capability kNeeded[] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
    {KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
    {KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
    {KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
    {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
    {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
    {KVM_CAP_XSAVE, "KVM_CAP_XSAVE"},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
};

Verdict no(std::string reason, std::string cure = "") {
  return Verdict{false, std::move(reason), std::move(cure)};
}

const char* name_of(ProbeRun::Step step) {
  switch (step) {
    case ProbeRun::Step::kPrivileged:
      return "privileged instructions";
    case ProbeRun::Step::kPopcnt:
      return "POPCNT";
    case ProbeRun::Step::kCmpxchg16b:
      return "CMPXCHG16B";
    case ProbeRun::Step::kXsave:
      return "XSAVE";
    case ProbeRun::Step::kInt3:
      return "INT3";
    default:
      return "simple instructions";
  }
}

// Kills the child when it has used its CPU time.
void bound_cpu_time() {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGKILL;
  timer_t timer = nullptr;
  if (::timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) != 0) ::_exit(1);
  itimerspec when = {};
  when.it_value.tv_nsec = std::chrono::nanoseconds(kCpuTime).count();
  if (::timer_settime(timer, 0, &when, nullptr) != 0) ::_exit(1);
}

std::uint64_t thread_cpu_ns() {
  timespec time = {};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(time.tv_nsec);
}

[[noreturn]] void run_child(int kvm, ProbeRun& run, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  ProbeVm vm;
  run.error = -vm.set_up(kvm);
  if (run.error != 0) {
    run.failure = ProbeRun::Failure::kRefused;
    ::_exit(0);
  }
  bound_cpu_time();
  for (auto step = ProbeRun::Step::kPopcnt; step != ProbeRun::Step::kDone;
       step = static_cast<ProbeRun::Step>(static_cast<std::uint32_t>(step) + 1)) {
    run.step = step;
    if (!vm.has_instructions_of(step)) continue;
    // The first runs fill caches and tables of the host, and others may disturb any of them.
    const int turns = step == ProbeRun::Step::kLoop ? kLoopTurns : 1;
    for (int turn = 0; turn < turns; ++turn) {
      const std::uint64_t before = thread_cpu_ns();
      run.failure = vm.run_piece(step, run);
      if (run.failure != ProbeRun::Failure::kNone) ::_exit(0);
      const std::uint64_t ns = thread_cpu_ns() - before + 1;
      if (step == ProbeRun::Step::kLoop && (run.loop_ns == 0 || ns < run.loop_ns)) run.loop_ns = ns;
    }
  }
  run.step = ProbeRun::Step::kDone;
  ::_exit(0);
}

Result<ProbeRun> run_guest(int kvm) {
  void* page = ::mmap(nullptr, sizeof(ProbeRun), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return errno_error("mmap");
  ProbeRun& shared = *new (page) ProbeRun;
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) run_child(kvm, shared, parent);
  if (pid < 0) {
    const Error error = errno_error("fork");
    ::munmap(page, sizeof(ProbeRun));
    return error;
  }
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd entry{pidfd.get(), POLLIN, 0};
  const auto patience = std::chrono::milliseconds(kPatience);
  while (::poll(&entry, 1, static_cast<int>(patience.count())) < 0 && errno == EINTR) {
  }
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  const ProbeRun run = shared;
  ::munmap(page, sizeof(ProbeRun));
  return run;
}

}  // namespace

Verdict judge(const ProbeRun& run) {
  const std::string cure =
      "enable hardware virtualization in the firmware, or nested virtualization when this is a VM";
  if (run.failure == ProbeRun::Failure::kRefused) {
    return no(errno_error(run.error, "KVM refuses a small virtual machine").message, cure);
  }
  const std::uint64_t speed = run.loop_ns == 0 ? 0 : kLoopInstructions * 1'000'000'000U / run.loop_ns;
  if (run.failure == ProbeRun::Failure::kExit) {
    if (run.exit_reason == KVM_EXIT_INTERNAL_ERROR && run.suberror == KVM_INTERNAL_ERROR_EMULATION) {
      return no(fmt::format("KVM interprets the guest's kernel and cannot emulate {}", name_of(run.step)),
                cure);
    }
    return no(fmt::format("KVM stops a small guest at {} (exit reason {}, {})", name_of(run.step),
                          run.exit_reason, run.suberror),
              cure);
  }
  if (run.step == ProbeRun::Step::kSetup)
    return no("KVM does not finish making a small virtual machine", cure);
  if (run.step < ProbeRun::Step::kLoop) {
    return no(
        fmt::format("KVM does not get through a small guest: {} did not end in time", name_of(run.step)),
        cure);
  }
  if (speed < kLeastInstructionsPerSecond) {
    const auto most = kLoopInstructions * 1000 / static_cast<std::uint64_t>(kCpuTime.count());
    const auto shown = run.loop_ns == 0 ? most : speed;
    return no(fmt::format("KVM interprets the guest's kernel: {}{}.{} million instructions a second",
                          run.loop_ns == 0 ? "below " : "", shown / 1'000'000, shown / 100'000 % 10),
              cure);
  }
  return Verdict{true, fmt::format("/dev/kvm runs {} million instructions a second", speed / 1'000'000), "",
                 ""};
}

Verdict probe_kvm(const std::string& device) {
  const UniqueFd kvm(::open(device.c_str(), O_RDWR | O_CLOEXEC));
  if (!kvm) {
    const int number = errno;
    const std::string reason = errno_error(number, "open " + device).message;
    if (number == EACCES || number == EPERM)
      return no(reason, "sudo usermod -aG kvm $USER, then log in again");
    if (number == ENOENT || number == ENXIO || number == ENODEV) {
      return no(reason,
                "enable hardware virtualization in the firmware, or nested virtualization when this is a VM");
    }
    return no(reason);
  }
  const auto version = kvm::kvm_ioctl(kvm.get(), KVM_GET_API_VERSION, "KVM_GET_API_VERSION", 0);
  if (!version) return no(device + " is not KVM: " + version.error().message);
  if (*version != KVM_API_VERSION) {
    return no(fmt::format("KVM speaks version {} of its interface, not {}", *version, KVM_API_VERSION),
              "use a current kernel");
  }
  for (const auto& [number, name] : kNeeded) {
    if (kvm::kvm_ioctl_raw(kvm.get(), KVM_CHECK_EXTENSION, static_cast<unsigned long>(number)) <= 0) {
      return no(fmt::format("KVM lacks {}", name), "use a current kernel");
    }
  }
  const auto run = run_guest(kvm.get());
  if (!run) return no(run.error().message);
  Verdict verdict = judge(*run);
  kvm::CpuidTable supported = {};
  supported.head.entries = kvm::CpuidTable::kEntries;
  const auto got = kvm::kvm_ioctl(kvm.get(), kvm::kGetSupportedCpuid, "KVM_GET_SUPPORTED_CPUID",
                                  reinterpret_cast<unsigned long>(&supported));
  if (!got) return no(got.error().message);
  verdict.fingerprint = kvm::cpu_fingerprint(supported);
  return verdict;
}

}  // namespace tl::machine
