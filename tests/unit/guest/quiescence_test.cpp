// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/quiescence.hpp"

#include <optional>

#include <asio/detached.hpp>

#include "runtime/guest/protocol/messages.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/guest/agent_process.hpp"
#include "tests/unit/guest/fake_alarm.hpp"

using namespace tl;
using namespace tl::guest;
using namespace tl::guest::test;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  Fixture() { folder.add("tl", true); }

  Quiescence make(std::chrono::milliseconds stop_limit = 60s) {
    return {io.get_executor(), groups, gate, alarm, Log(-1), stop_limit};
  }

  asio::io_context io;
  GroupFolder folder;
  ControlGroups groups{folder.folder};
  StartGate gate{io.get_executor()};
  FakeAlarm alarm;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "processes stand still from quiesce to release") {
  auto quiescence = make();
  REQUIRE(run(io, quiescence.quiesce()));
  CHECK(quiescence.quiesced());
  CHECK(folder.told("tl"));
  CHECK(gate.closed());
  CHECK(alarm.left == kQuiesceLease);
  REQUIRE(quiescence.release());
  CHECK_FALSE(quiescence.quiesced());
  CHECK_FALSE(folder.told("tl"));
  CHECK_FALSE(gate.closed());
  CHECK_FALSE(alarm.left);
  CHECK(quiescence.release());  // again is fine
}

TEST_CASE_METHOD(Fixture, "quiescing again renews the lease, and its end releases") {
  auto quiescence = make();
  REQUIRE(run(io, quiescence.quiesce()));
  alarm.advance(kQuiesceLease - 1ms);
  REQUIRE(run(io, quiescence.quiesce()));
  alarm.advance(kQuiesceLease - 1ms);
  CHECK(quiescence.quiesced());
  CHECK(folder.told("tl"));
  alarm.advance(1ms);
  CHECK_FALSE(quiescence.quiesced());
  CHECK_FALSE(folder.told("tl"));
  CHECK_FALSE(gate.closed());
}

TEST_CASE_METHOD(Fixture, "a process that does not stop is an error, and the others go on") {
  folder.add("stuck");
  auto quiescence = make(20ms);
  const auto quiesced = run(io, quiescence.quiesce());
  REQUIRE_FALSE(quiesced);
  CHECK(quiesced.error().code == ErrorCode::kFailure);
  CHECK(quiesced.error().message == "processes do not stop, in the control group stuck");
  CHECK_FALSE(quiescence.quiesced());
  CHECK_FALSE(folder.told("tl"));
  CHECK_FALSE(folder.told("stuck"));
  CHECK_FALSE(gate.closed());
  CHECK_FALSE(alarm.left);
}

TEST_CASE_METHOD(Fixture, "a release while processes are being stopped has the last word") {
  folder.add("slow");
  auto quiescence = make();
  std::optional<Result<void>> quiesced;
  asio::co_spawn(io, keep_result(quiescence.quiesce(), &quiesced), asio::detached);
  io.poll();
  REQUIRE(gate.closed());
  const auto second = run(io, quiescence.quiesce());
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::kConflict);
  CHECK(quiescence.release());
  io.restart();
  while (!quiesced) io.run_one();
  REQUIRE_FALSE(*quiesced);
  CHECK(quiesced->error().code == ErrorCode::kConflict);
  CHECK_FALSE(quiescence.quiesced());
  CHECK_FALSE(folder.told("tl"));
  CHECK_FALSE(gate.closed());
}

TEST_CASE_METHOD(Fixture, "without control groups there is an error and nothing stands still") {
  groups = ControlGroups("/nonexistent");
  auto quiescence = make();
  CHECK_FALSE(run(io, quiescence.quiesce()));
  CHECK_FALSE(quiescence.quiesced());
  CHECK_FALSE(gate.closed());
}
