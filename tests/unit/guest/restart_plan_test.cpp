// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/restart_plan.hpp"

#include "tests/support/catch.hpp"

using namespace tl::guest;
using namespace std::chrono_literals;

namespace {

using Restart = Detachment::Restart;
constexpr ExecExit kFine{ExecExit::Kind::kExited, 0};
constexpr ExecExit kFailed{ExecExit::Kind::kExited, 1};
constexpr ExecExit kKilled{ExecExit::Kind::kSignaled, 9};

RestartPlan plan(Restart restart) {
  Detachment detach;
  detach.restart = restart;
  detach.initial_backoff = 1s;
  detach.max_backoff = 5s;
  return RestartPlan(detach);
}

}  // namespace

TEST_CASE("a policy says which ends are followed by another run") {
  CHECK_FALSE(plan(Restart::kNever).next(kFailed, 1s));
  CHECK_FALSE(plan(Restart::kOnFailure).next(kFine, 1s));
  CHECK(plan(Restart::kOnFailure).next(kFailed, 1s) == 1s);
  CHECK(plan(Restart::kOnFailure).next(kKilled, 1s) == 1s);
  CHECK(plan(Restart::kAlways).next(kFine, 1s) == 1s);
}

TEST_CASE("the pause doubles up to its bound, and begins anew after a good run") {
  auto always = plan(Restart::kAlways);
  CHECK(always.next(kFine, 0ms) == 1s);
  CHECK(always.next(kFine, 0ms) == 2s);
  CHECK(always.next(kFine, kSteadyRun - 1ms) == 4s);
  CHECK(always.next(kFine, 0ms) == 5s);
  CHECK(always.next(kFine, 0ms) == 5s);
  CHECK(always.next(kFine, kSteadyRun) == 1s);
  CHECK(always.next(kFine, 0ms) == 2s);
  always.begin_anew();
  CHECK(always.next(kFine, 0ms) == 1s);
}

TEST_CASE("the longest pause bounds the first too") {
  Detachment detach{"", Restart::kAlways, std::nullopt, 10s, 3s};
  CHECK(RestartPlan(detach).next(kFine, 0ms) == 3s);
  detach.max_backoff = detach.initial_backoff = kMaxBackoff;
  RestartPlan slow(detach);
  for (int i = 0; i < 100; ++i) CHECK(slow.next(kFine, 0ms) == kMaxBackoff);
}

TEST_CASE("restarts are counted, until somebody starts it") {
  Detachment detach;
  detach.restart = Restart::kOnFailure;
  detach.max_restarts = 2;
  RestartPlan bounded(detach);
  CHECK(bounded.next(kFailed, 0ms));
  CHECK(bounded.next(kFailed, 1h));
  CHECK_FALSE(bounded.next(kFailed, 0ms));
  bounded.begin_anew();
  CHECK(bounded.next(kFailed, 0ms));
  detach.max_restarts = 0;
  CHECK_FALSE(RestartPlan(detach).next(kFailed, 0ms));
}
