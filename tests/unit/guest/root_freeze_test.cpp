// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/root_freeze.hpp"

#include <atomic>
#include <functional>
#include <optional>
#include <semaphore>

#include <asio/detached.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/guest/agent_process.hpp"
#include "tests/unit/guest/fake_alarm.hpp"

using namespace tl;
using namespace tl::guest;
using namespace tl::guest::test;
using namespace std::chrono_literals;

namespace {

// A file system that freezes when it may. The kernel's rules: freezing twice fails.
struct Fixture {
  ~Fixture() {
    may_sync.release();  // for a job that still waits
  }

  RootFreeze::Calls calls() {
    return {[this] {
              if (slow) may_sync.acquire();
              ++syncs;
              return sync_result;
            },
            [this]() -> Result<void> {
              if (freeze_fails) return Error{ErrorCode::kFailure, "freeze: busy", ""};
              if (frozen.exchange(true)) return Error{ErrorCode::kFailure, "freeze: twice", ""};
              return {};
            },
            [this]() -> Result<void> {
              ++thaws;
              if (thaws <= failing_thaws) return Error{ErrorCode::kFailure, "thaw: no", ""};
              frozen = false;
              return {};
            }};
  }

  Result<void> freeze_now(std::chrono::milliseconds lease = 1000ms) { return run(io, freeze.freeze(lease)); }
  Result<void> thaw_now() { return run(io, freeze.thaw()); }

  // Begins a freeze whose sync does not end before may_sync.
  void begin_slow_freeze() {
    slow = true;
    asio::co_spawn(io, keep_result(freeze.freeze(1000ms), &slow_result), asio::detached);
    io.restart();
    io.poll();
    REQUIRE(freeze.frozen());
  }
  void run_until(const std::function<bool()>& happened) {
    io.restart();
    while (!happened()) io.run_one();
  }

  std::atomic<bool> frozen{false}, slow{false}, freeze_fails{false};
  std::atomic<int> syncs{0}, thaws{0}, failing_thaws{0};
  std::binary_semaphore may_sync{0};
  Result<void> sync_result;
  std::optional<Result<void>> slow_result;

  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
  JobThread jobs;
  StartGate gate{io.get_executor()};
  FakeAlarm alarm;
  RootFreeze freeze{io.get_executor(), calls(), jobs, gate, alarm, Log(-1)};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a file system is written back, frozen and thawed") {
  REQUIRE(freeze_now());
  CHECK(frozen);
  CHECK(syncs == 1);
  CHECK(freeze.frozen());
  CHECK(gate.closed());
  CHECK(alarm.left == 1000ms);
  REQUIRE(thaw_now());
  CHECK_FALSE(frozen);
  CHECK_FALSE(freeze.frozen());
  CHECK_FALSE(gate.closed());
  CHECK_FALSE(alarm.left);
}

TEST_CASE_METHOD(Fixture, "writing back freezes nothing, and what is frozen has nothing to write back") {
  CHECK(run(io, freeze.write_back()));
  CHECK(syncs == 1);
  CHECK_FALSE(freeze.frozen());
  CHECK_FALSE(gate.closed());
  REQUIRE(freeze_now());
  CHECK(run(io, freeze.write_back()));
  CHECK(syncs == 2);
  REQUIRE(thaw_now());
  sync_result = Error{ErrorCode::kFailure, "sync: no space", ""};
  CHECK_FALSE(run(io, freeze.write_back()));
}

TEST_CASE_METHOD(Fixture, "freezing twice is a conflict and leaves the lease alone") {
  REQUIRE(freeze_now(1000ms));
  alarm.advance(400ms);
  const auto again = freeze_now(60'000ms);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::kConflict);
  CHECK(again.error().message == "the root file system is frozen already");
  CHECK(frozen);
  CHECK(alarm.left == 600ms);
}

TEST_CASE_METHOD(Fixture, "thawing what is not frozen is a success and touches nothing") {
  CHECK(thaw_now());
  CHECK(thaws == 0);
  REQUIRE(freeze_now());
  CHECK(thaw_now());
  CHECK(thaw_now());
  CHECK(thaws == 1);
}

TEST_CASE_METHOD(Fixture, "the end of the lease thaws, and another freeze is possible") {
  REQUIRE(freeze_now(1000ms));
  alarm.advance(999ms);
  CHECK(freeze.frozen());
  alarm.advance(1ms);
  run_until([&] { return !freeze.frozen(); });
  CHECK_FALSE(frozen);
  CHECK_FALSE(gate.closed());
  CHECK(freeze_now());
}

TEST_CASE_METHOD(Fixture, "the end of the session thaws") {
  REQUIRE(freeze_now());
  freeze.abandon();
  run_until([&] { return !freeze.frozen(); });
  CHECK_FALSE(frozen);
  CHECK_FALSE(alarm.left);
  freeze.abandon();  // of a session that froze nothing
  CHECK_FALSE(freeze.frozen());
}

TEST_CASE_METHOD(Fixture, "a session that ends while data is written back is not frozen for") {
  begin_slow_freeze();
  CHECK_FALSE(gate.closed());  // commands may start meanwhile
  freeze.abandon();
  may_sync.release();
  run_until([&] { return slow_result.has_value(); });
  CHECK_FALSE(*slow_result);
  CHECK_FALSE(freeze.frozen());
  CHECK_FALSE(frozen);
  CHECK(thaws == 0);
}

TEST_CASE_METHOD(Fixture, "a thaw that comes while freezing has the last word") {
  begin_slow_freeze();
  std::optional<Result<void>> thawed;
  asio::co_spawn(io, keep_result(freeze.thaw(), &thawed), asio::detached);
  io.poll();
  CHECK_FALSE(thawed);
  may_sync.release();
  run_until([&] { return slow_result && thawed; });
  CHECK_FALSE(*slow_result);
  CHECK(*thawed);
  CHECK_FALSE(frozen);
  CHECK_FALSE(gate.closed());
}

TEST_CASE_METHOD(Fixture, "what cannot be frozen is an error and is not thawed") {
  SECTION("by the kernel") {
    freeze_fails = true;
    CHECK(freeze_now().error().message == "freeze: busy");
  }
  SECTION("because it cannot be written back") {
    sync_result = Error{ErrorCode::kFailure, "sync: I/O error", ""};
    CHECK(freeze_now().error().message == "sync: I/O error");
  }
  CHECK(thaws == 0);
  CHECK_FALSE(freeze.frozen());
  CHECK_FALSE(gate.closed());
  CHECK_FALSE(alarm.left);
}

TEST_CASE_METHOD(Fixture, "a thaw that fails is tried again until it works") {
  REQUIRE(freeze_now());
  failing_thaws = 2;
  CHECK_FALSE(thaw_now());
  CHECK(freeze.frozen());
  CHECK(gate.closed());
  alarm.advance(1000ms);
  run_until([&] { return thaws == 2 && alarm.left; });
  alarm.advance(1000ms);
  run_until([&] { return !freeze.frozen(); });
  CHECK_FALSE(frozen);
}
