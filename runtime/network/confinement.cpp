// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/confinement.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <seccomp.h>

#include "common/io.hpp"
#include "common/unique_fd.hpp"

namespace tl::network {
namespace {

// What memory, time, descriptors and connected or datagram sockets of the Internet take; the C library's own
// needs among it.
constexpr std::array kAllowed = {
    SCMP_SYS(read),         SCMP_SYS(write),         SCMP_SYS(readv),
    SCMP_SYS(writev),       SCMP_SYS(recvfrom),      SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),       SCMP_SYS(sendmsg),       SCMP_SYS(poll),
    SCMP_SYS(ppoll),        SCMP_SYS(connect),       SCMP_SYS(bind),
    SCMP_SYS(listen),       SCMP_SYS(accept),        SCMP_SYS(accept4),
    SCMP_SYS(getsockname),  SCMP_SYS(getpeername),   SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),   SCMP_SYS(shutdown),      SCMP_SYS(close),
    SCMP_SYS(fcntl),        SCMP_SYS(lseek),         SCMP_SYS(fstat),
    SCMP_SYS(stat),         SCMP_SYS(newfstatat),    SCMP_SYS(munmap),
    SCMP_SYS(mremap),       SCMP_SYS(madvise),       SCMP_SYS(brk),
    SCMP_SYS(futex),        SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
    SCMP_SYS(time),         SCMP_SYS(getrandom),     SCMP_SYS(getpid),
    SCMP_SYS(gettid),       SCMP_SYS(rt_sigaction),  SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(sched_yield),   SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),         SCMP_SYS(exit_group),
};

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

scmp_arg_cmp equals(unsigned argument, scmp_datum_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}

// Of an argument's bits in the mask.
scmp_arg_cmp has_bits(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

Result<void> allow_few_calls() {
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!filter) return errno_error(ENOMEM, "make a seccomp filter");
  int failed = 0;
  const auto allow = [&](int call, std::vector<scmp_arg_cmp> conditions = {}) {
    const int added = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call,
                                             static_cast<unsigned>(conditions.size()), conditions.data());
    if (added < 0 && failed == 0) failed = -added;
  };
  for (const int call : kAllowed) allow(call);
  for (const scmp_datum_t family : {AF_INET, AF_INET6}) allow(SCMP_SYS(socket), {equals(0, family)});
  for (const scmp_datum_t request : {FIONREAD, FIONBIO}) allow(SCMP_SYS(ioctl), {equals(1, request)});
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) allow(call, {has_bits(2, PROT_EXEC, 0)});
  constexpr scmp_datum_t kWriting = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND;
  allow(SCMP_SYS(open), {has_bits(1, kWriting, O_RDONLY)});
  allow(SCMP_SYS(openat), {has_bits(2, kWriting, O_RDONLY)});
  // abort(3), and nobody else.
  allow(SCMP_SYS(tgkill), {equals(0, static_cast<scmp_datum_t>(::getpid()))});
  if (failed != 0) return errno_error(failed, "make a seccomp filter");
  const int loaded = seccomp_load(filter.get());
  if (loaded < 0) return errno_error(-loaded, "load a seccomp filter");
  return {};
}

// The first version's rights.
constexpr std::uint64_t kHandled =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
    LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
    LANDLOCK_ACCESS_FS_MAKE_SYM;

// A folder that is not there has nothing to be read.
Result<void> allow_reading(int rules, const std::string& folder) {
  const UniqueFd parent(::open(folder.c_str(), O_PATH | O_CLOEXEC));
  if (!parent) return {};
  const landlock_path_beneath_attr beneath{LANDLOCK_ACCESS_FS_READ_FILE, parent.get()};
  if (::syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0)
    return errno_error("allow to read " + folder);
  return {};
}

Result<void> allow_few_files() {
  landlock_ruleset_attr handled = {};
  handled.handled_access_fs = kHandled;
  const UniqueFd rules(static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, &handled, sizeof handled.handled_access_fs, 0)));
  // The kernel has none, or was told not to use it.
  if (!rules && (errno == ENOSYS || errno == EOPNOTSUPP)) return {};
  if (!rules) return errno_error("make Landlock's rules");
  std::error_code ignored;
  const auto resolvers = std::filesystem::weakly_canonical("/etc/resolv.conf", ignored);
  // Where the link may lead to by tomorrow.
  for (const std::string& folder :
       {std::string("/etc"), std::string("/run/systemd/resolve"), std::string("/run/NetworkManager"),
        std::string("/run/resolvconf"), resolvers.parent_path().string()}) {
    if (folder.empty()) continue;
    if (auto allowed = allow_reading(rules.get(), folder); !allowed) return allowed;
  }
  if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0)
    return errno_error("apply Landlock's rules");
  return {};
}

}  // namespace

Result<void> confine() {
  if (auto files = allow_few_files(); !files) return files;
  return allow_few_calls();
}

}  // namespace tl::network
