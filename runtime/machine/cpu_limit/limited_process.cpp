// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/cpu_limit/limited_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tl::machine {

Result<std::shared_ptr<LimitedProcess>> LimitedProcess::create(pid_t pid, int pidfd) {
  UniqueFd own(::fcntl(pidfd, F_DUPFD_CLOEXEC, 0));
  if (!own) return errno_error("limit the CPU time");
  clockid_t clock = 0;
  const int failure = ::clock_getcpuclockid(pid, &clock);
  if (failure != 0) return errno_error(failure, "limit the CPU time");
  return std::shared_ptr<LimitedProcess>(new LimitedProcess(pid, std::move(own), clock));
}

std::optional<CgroupQuota> LimitedProcess::try_quota(double limit) {
  return CgroupQuota::try_apply(CgroupQuota::kHierarchy, CgroupQuota::own_groups(), pid_, limit);
}

std::optional<CpuBudget::Duration> LimitedProcess::cpu_time() const {
  timespec time = {};
  if (::clock_gettime(clock_, &time) != 0) return std::nullopt;
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

void LimitedProcess::rest() {
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGSTOP, nullptr, 0);
}
void LimitedProcess::go_on() {
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGCONT, nullptr, 0);
}

}  // namespace tl::machine
