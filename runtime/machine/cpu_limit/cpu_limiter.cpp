// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/cpu_limit/cpu_limiter.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "common/io.hpp"

namespace tl::machine {
namespace {

std::optional<CpuBudget::Duration> cpu_time(clockid_t clock) {
  timespec time = {};
  if (::clock_gettime(clock, &time) != 0) return std::nullopt;
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

bool send_signal(const UniqueFd& pidfd, int signal) {
  return ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
}

}  // namespace

Result<std::shared_ptr<CpuLimiter>> CpuLimiter::start(const asio::any_io_executor& executor, pid_t pid,
                                                      int pidfd, double limit, unsigned parallel,
                                                      Method method) {
  TL_CHECK(limit > 0 && limit < parallel);
  std::shared_ptr<CpuLimiter> limiter(new CpuLimiter(executor, limit, parallel));
  if (method == Method::kBest) {
    const auto own = read_file(AT_FDCWD, "/proc/self/cgroup", 64 << 10);
    if (own) limiter->quota_ = CgroupQuota::try_apply("/sys/fs/cgroup", *own, pid, limit);
    if (limiter->quota_) return limiter;
  }
  limiter->pidfd_ = UniqueFd(::fcntl(pidfd, F_DUPFD_CLOEXEC, 0));
  if (!limiter->pidfd_) return errno_error("limit the CPU time");
  const int failure = ::clock_getcpuclockid(pid, &limiter->cpu_clock_);
  if (failure != 0) return errno_error(failure, "limit the CPU time");
  asio::co_spawn(executor, run(limiter), asio::detached);
  return limiter;
}

asio::awaitable<void> CpuLimiter::run(std::shared_ptr<CpuLimiter> self) {
  using Clock = std::chrono::steady_clock;
  auto seen_at = Clock::now();
  CpuBudget::Duration seen_cpu = cpu_time(self->cpu_clock_).value_or(CpuBudget::Duration::zero());
  bool running = true;
  while (!self->stopped_) {
    const auto now = Clock::now();
    const auto cpu = cpu_time(self->cpu_clock_);
    if (!cpu) break;  // it has ended
    const CpuBudget::Step step = self->budget_.update(now - seen_at, *cpu - seen_cpu);
    seen_at = now;
    seen_cpu = *cpu;
    if (step.run != running && !send_signal(self->pidfd_, step.run ? SIGCONT : SIGSTOP)) break;
    running = step.run;
    self->timer_.expires_after(std::chrono::duration_cast<Clock::duration>(step.after));
    asio::error_code ignored;
    co_await self->timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

void CpuLimiter::stop() {
  stopped_ = true;
  timer_.cancel();
}

}  // namespace tl::machine
