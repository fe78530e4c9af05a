// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/qemu_filter.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <memory>
#include <span>

#include <seccomp.h>

#include "common/io.hpp"
#include "common/unique_fd.hpp"

namespace tl::machine {
namespace {

// Who makes one of these is not the QEMU that we know.
constexpr std::array kDeadly = {
    // the whole system's
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(syslog),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(acct),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    // of times gone by
    SCMP_SYS(_sysctl),
    SCMP_SYS(ustat),
    SCMP_SYS(sysfs),
    SCMP_SYS(uselib),
    SCMP_SYS(create_module),
    SCMP_SYS(get_kernel_syms),
    SCMP_SYS(query_module),
    SCMP_SYS(nfsservctl),
    SCMP_SYS(getpmsg),
    SCMP_SYS(putpmsg),
    SCMP_SYS(afs_syscall),
    SCMP_SYS(tuxcall),
    SCMP_SYS(security),
    SCMP_SYS(vserver),
    // other rights
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setpgid),
    SCMP_SYS(setsid),
    SCMP_SYS(setreuid),
    SCMP_SYS(setregid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setfsuid),
    SCMP_SYS(setfsgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(capset),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    // other programs and processes
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd),
    // parts of the kernel
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
};

constexpr std::array kRefused = {
    SCMP_SYS(setpriority),   SCMP_SYS(sched_setparam),    SCMP_SYS(sched_setscheduler),
    SCMP_SYS(sched_setattr), SCMP_SYS(sched_setaffinity), SCMP_SYS(ioprio_set),
};

// The library looks for other ways when it is told that there are none of these.
constexpr std::array kMissing = {SCMP_SYS(clone3), SCMP_SYS(io_uring_setup)};

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};

Result<std::vector<std::byte>> program_of(scmp_filter_ctx filter) {
  const UniqueFd file(::memfd_create("filter", MFD_CLOEXEC));
  if (!file) return errno_error("make a file for a seccomp filter");
  const int exported = seccomp_export_bpf(filter, file.get());
  if (exported != 0) return errno_error(-exported, "make a seccomp filter");
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) return errno_error("make a seccomp filter");
  std::vector<std::byte> program(static_cast<std::size_t>(status.st_size));
  if (auto read = pread_exact(file.get(), program, 0); !read) return read.error();
  return program;
}

}  // namespace

Result<std::vector<std::byte>> qemu_filter() {
  const std::unique_ptr<void, Release> filter(seccomp_init(SCMP_ACT_ALLOW));
  if (!filter) return errno_error(ENOMEM, "make a seccomp filter");
  int failed = 0;
  const auto rule = [&](std::uint32_t action, int call, std::span<const scmp_arg_cmp> conditions) {
    const int added = seccomp_rule_add_array(filter.get(), action, call,
                                             static_cast<unsigned>(conditions.size()), conditions.data());
    if (added < 0 && failed == 0) failed = -added;
  };
  for (const int call : kDeadly) rule(SCMP_ACT_KILL_PROCESS, call, {});
  for (const int call : kRefused) rule(SCMP_ACT_ERRNO(EPERM), call, {});
  for (const int call : kMissing) rule(SCMP_ACT_ERRNO(ENOSYS), call, {});
  const scmp_arg_cmp no_thread{0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0};
  rule(SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), std::span(&no_thread, 1));
  if (failed != 0) return errno_error(failed, "make a seccomp filter");
  return program_of(filter.get());
}

}  // namespace tl::machine
