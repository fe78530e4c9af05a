// SPDX-License-Identifier: Apache-2.0
#include <time.h>

#include <chrono>
#include <fstream>

#include "common/child_process.hpp"
#include "runtime/machine/cpu_limit/cgroup_quota.hpp"
#include "runtime/machine/cpu_limit/cpu_budget.hpp"
#include "runtime/machine/cpu_limit/cpu_limiter.hpp"
#include "runtime/machine/cpu_limit/limited_process.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/machine/support.hpp"

using namespace tl;
using namespace tl::machine;
using Duration = CpuBudget::Duration;

namespace {

// The share of CPU that a process gets which always wants `parallel` CPUs, under a simulated clock.
double simulated_share(double limit, double parallel, double busy) {
  CpuBudget budget(limit, parallel);
  CpuBudget::Step step = budget.update(Duration(0), Duration(0));
  Duration now(0);
  Duration used(0);
  while (now < Duration(20)) {
    const Duration spent = step.run ? parallel * busy * step.after : Duration(0);
    now += step.after;
    used += spent;
    step = budget.update(step.after, spent);
  }
  return used / now;
}

}  // namespace

TEST_CASE("a busy process gets its limit on average, whatever the limit and the number of CPUs") {
  for (const double limit : {0.05, 0.25, 0.5, 0.9, 1.5, 3.7}) {
    for (const double parallel : {1.0, 2.0, 4.0}) {
      if (limit >= parallel) continue;
      INFO(limit << " of " << parallel);
      const double share = simulated_share(limit, parallel, 1.0);
      CHECK(share > limit * 0.95);
      CHECK(share < limit * 1.05);
    }
  }
}

TEST_CASE("a process that wants less than its limit is never stopped") {
  const double share = simulated_share(0.5, 1.0, 0.3);
  CHECK(share > 0.299);
  CHECK(share < 0.301);
}

TEST_CASE("a late look is paid back and idle time is not hoarded") {
  CpuBudget budget(0.5, 1.0);
  CHECK(budget.update(Duration(100), Duration(0)).run);
  const auto after_overuse = budget.update(Duration(1), Duration(1));  // half a second too much
  CHECK_FALSE(after_overuse.run);
  CHECK(after_overuse.after > Duration(0.9));
  CHECK(after_overuse.after < Duration(1.1));
}

TEST_CASE("an idle process is looked at seldom") {
  CpuBudget budget(0.5, 1.0);
  CHECK(budget.update(Duration(1), Duration(0)).after >= CpuBudget::kPeriod / 2);
}

TEST_CASE("a limited child uses about its share of a CPU") {
  ChildSpec spec;
  spec.argv = {"/bin/sh", "-c", "while :; do :; done"};
  auto child = ChildProcess::spawn(spec);
  REQUIRE(child);
  clockid_t clock = 0;
  REQUIRE(::clock_getcpuclockid(child->pid(), &clock) == 0);
  asio::io_context context;
  const auto process = LimitedProcess::create(child->pid(), child->pidfd());
  REQUIRE(process);
  const auto limiter =
      CpuLimiter::start(context.get_executor(), *process, 0.3, 1, CpuLimiter::Method::kDutyCycle);
  const auto begin = std::chrono::steady_clock::now();
  context.run_for(std::chrono::seconds(2));
  const Duration wall = std::chrono::steady_clock::now() - begin;
  timespec used = {};
  REQUIRE(::clock_gettime(clock, &used) == 0);
  limiter->stop();
  const double share =
      (static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9) / wall.count();
  CHECK(share < 0.4);  // a busy host may give it less, never more
  CHECK(share > 0.02);
}

TEST_CASE("a group with the quota is made beside ours when ours cannot have one") {
  const test::TempFolder folder;
  const auto root = folder.path;
  std::filesystem::create_directories(root / "user/session.scope");
  std::ofstream(root / "cgroup.controllers") << "cpu\n";
  // A plain folder has no cpu.max, as a group whose parent does not hand out the controller.
  CHECK_FALSE(CgroupQuota::try_apply(root, "0::/user/session.scope\n", 4242, 0.5));
  CHECK(std::filesystem::is_empty(root / "user/session.scope"));
  CHECK(std::distance(std::filesystem::directory_iterator(root / "user"), {}) == 1);
}

TEST_CASE("a host without cgroup v2 has no group quota") {
  const test::TempFolder folder;
  CHECK_FALSE(CgroupQuota::try_apply(folder.path, "0::/\n", 4242, 0.5));
  CHECK_FALSE(CgroupQuota::try_apply(folder.path, "5:cpu:/x\n", 4242, 0.5));
  CHECK_FALSE(CgroupQuota::try_apply(folder.path / "none", "", 4242, 0.5));
}
