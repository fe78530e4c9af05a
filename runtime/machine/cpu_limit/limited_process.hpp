// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>
#include <time.h>

#include <memory>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/machine/cpu_limit/limited_cpus.hpp"

namespace tl::machine {

// A child process, all its threads together. It rests by SIGSTOP, which needs no privilege but delays its
// I/O, too, by up to CpuBudget::kPeriod.
class LimitedProcess final : public LimitedCpus {
 public:
  // `pidfd` is duplicated.
  static Result<std::shared_ptr<LimitedProcess>> create(pid_t pid, int pidfd);

  [[nodiscard]] std::optional<CgroupQuota> try_quota(double limit) override;
  [[nodiscard]] std::optional<CpuBudget::Duration> cpu_time() const override;
  void rest() override;
  void go_on() override;

 private:
  LimitedProcess(pid_t pid, UniqueFd pidfd, clockid_t clock)
      : pid_(pid), pidfd_(std::move(pidfd)), clock_(clock) {}
  pid_t pid_;
  UniqueFd pidfd_;
  clockid_t clock_;
};

}  // namespace tl::machine
