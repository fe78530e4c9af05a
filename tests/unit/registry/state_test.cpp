// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/state.hpp"

#include <set>
#include <utility>

#include "tests/support/catch.hpp"

namespace tl::registry {
namespace {

using enum SandboxState;

constexpr SandboxState kAll[] = {kPending, kRunning, kSnapshotting, kSuspending, kSuspended, kTerminated};

TEST_CASE("states are spelled as documented for people and in JSON") {
  const std::pair<SandboxState, std::string_view> names[] = {
      {kPending, "Pending"},       {kRunning, "Running"},     {kSnapshotting, "Snapshotting"},
      {kSuspending, "Suspending"}, {kSuspended, "Suspended"}, {kTerminated, "Terminated"}};
  for (const auto& [state, name] : names) {
    CHECK(state_name(state) == name);
    std::string key(name);
    key[0] = static_cast<char>(key[0] - 'A' + 'a');
    CHECK(state_key(state) == key);
    CHECK(state_from_key(key) == state);
  }
  CHECK_FALSE(state_from_key("Running"));
  CHECK_FALSE(state_from_key(""));
}

TEST_CASE("exactly the documented transitions are legal") {
  using Pair = std::pair<SandboxState, SandboxState>;
  const std::set<Pair> ephemeral{
      {kPending, kRunning},      {kPending, kTerminated},   {kRunning, kSnapshotting},
      {kRunning, kTerminated},   {kSnapshotting, kRunning}, {kSnapshotting, kTerminated},
      {kSuspending, kSuspended}, {kSuspending, kRunning},   {kSuspending, kTerminated},
      {kSuspended, kRunning},    {kSuspended, kTerminated}};
  std::set<Pair> named = ephemeral;
  named.insert({kRunning, kSuspending});
  for (const SandboxState from : kAll) {
    for (const SandboxState to : kAll) {
      INFO(state_name(from) << " to " << state_name(to));
      CHECK(check_transition(from, to, SandboxKind::kEphemeral).has_value() ==
            (ephemeral.count({from, to}) > 0));
      CHECK(check_transition(from, to, SandboxKind::kNamed).has_value() == (named.count({from, to}) > 0));
    }
  }
}

TEST_CASE("an illegal transition is a conflict that names the current state and what would be legal") {
  const auto pending = check_transition(kPending, kSuspending, SandboxKind::kNamed);
  CHECK(pending.error().code == ErrorCode::kConflict);
  CHECK(pending.error().message ==
        "the sandbox is Pending and can only become Running or Terminated, not Suspending");
  const auto ephemeral = check_transition(kRunning, kSuspending, SandboxKind::kEphemeral);
  CHECK(
      ephemeral.error().message ==
      "the sandbox is Running but ephemeral and can only become Snapshotting or Terminated, not Suspending");
  CHECK(ephemeral.error().hint.find("tl sbx name") != std::string::npos);
  const auto ended = check_transition(kTerminated, kRunning, SandboxKind::kNamed);
  CHECK(ended.error().message == "the sandbox is Terminated, which is final: it cannot become Running");
}

TEST_CASE("a dead monitor costs a named sandbox its memory and an ephemeral one its life") {
  for (const SandboxState state : {kRunning, kSnapshotting, kSuspending}) {
    CHECK(after_monitor_death(state, SandboxKind::kNamed).state == kSuspended);
    CHECK(after_monitor_death(state, SandboxKind::kNamed).reason == "memory lost");
    CHECK(after_monitor_death(state, SandboxKind::kEphemeral).state == kTerminated);
  }
  // Nothing had been started that could be resumed.
  CHECK(after_monitor_death(kPending, SandboxKind::kNamed).state == kTerminated);
  CHECK_FALSE(needs_monitor(kSuspended));
  CHECK_FALSE(needs_monitor(kTerminated));
}

}  // namespace
}  // namespace tl::registry
