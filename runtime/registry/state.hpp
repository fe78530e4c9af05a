// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "common/result.hpp"

namespace tl::registry {

enum class SandboxState { kPending, kRunning, kSnapshotting, kSuspending, kSuspended, kTerminated };

// Ephemeral: no name, cannot be suspended. Named: can.
enum class SandboxKind { kEphemeral, kNamed };

std::string_view state_name(SandboxState state);  // for people: "Running"
std::string_view state_key(SandboxState state);   // in documents and JSON: "running"
std::optional<SandboxState> state_from_key(std::string_view key);

// True for the states in which a monitor must be alive: all but Suspended and Terminated.
bool needs_monitor(SandboxState state);

// Pending → Running → (Snapshotting → Running) | (Suspending → Suspended → Running); Terminated from each of
// them, and final. Anything else is kConflict with a message that names the current state and what would be
// legal.
Result<void> check_transition(SandboxState from, SandboxState to, SandboxKind kind);

// What a sandbox in a state that needs a monitor becomes when its monitor is found dead, and why. A named one
// keeps its disk and can be resumed, unless it never ran. Not among the legal transitions: nobody may ask for
// it.
inline constexpr const char* kMemoryLost = "memory lost";
struct AfterDeath {
  SandboxState state;
  std::string_view reason;
};
AfterDeath after_monitor_death(SandboxState state, SandboxKind kind);

}  // namespace tl::registry
