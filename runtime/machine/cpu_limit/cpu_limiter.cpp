// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/cpu_limit/cpu_limiter.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "common/check.hpp"

namespace tl::machine {

std::shared_ptr<CpuLimiter> CpuLimiter::start(const asio::any_io_executor& executor,
                                              std::shared_ptr<LimitedCpus> cpus, double limit,
                                              unsigned parallel, Method method) {
  TL_CHECK(limit > 0 && limit < parallel);
  std::shared_ptr<CpuLimiter> limiter(new CpuLimiter(executor, std::move(cpus), limit, parallel));
  if (method == Method::kBest) limiter->quota_ = limiter->cpus_->try_quota(limit);
  if (!limiter->quota_) asio::co_spawn(executor, run(limiter), asio::detached);
  return limiter;
}

asio::awaitable<void> CpuLimiter::run(std::shared_ptr<CpuLimiter> self) {
  using Clock = std::chrono::steady_clock;
  auto seen_at = Clock::now();
  CpuBudget::Duration seen_cpu = self->cpus_->cpu_time().value_or(CpuBudget::Duration::zero());
  bool running = true;
  while (!self->stopped_) {
    const auto now = Clock::now();
    const auto cpu = self->cpus_->cpu_time();
    if (!cpu) break;  // they have ended
    const CpuBudget::Step step = self->budget_.update(now - seen_at, *cpu - seen_cpu);
    seen_at = now;
    seen_cpu = *cpu;
    if (step.run && !running) self->cpus_->go_on();
    if (!step.run && running) self->cpus_->rest();
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
