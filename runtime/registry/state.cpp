// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/state.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "common/check.hpp"

namespace tl::registry {
namespace {

using enum SandboxState;

struct Spelling {
  SandboxState state;
  std::string_view name;
  std::string_view key;
};
constexpr std::array kSpellings{
    Spelling{kPending, "Pending", "pending"},
    Spelling{kRunning, "Running", "running"},
    Spelling{kSnapshotting, "Snapshotting", "snapshotting"},
    Spelling{kSuspending, "Suspending", "suspending"},
    Spelling{kSuspended, "Suspended", "suspended"},
    Spelling{kTerminated, "Terminated", "terminated"},
};

const Spelling& spelling(SandboxState state) {
  const auto* found = std::find_if(kSpellings.begin(), kSpellings.end(),
                                   [state](const Spelling& s) { return s.state == state; });
  TL_CHECK(found != kSpellings.end());
  return *found;
}

std::vector<SandboxState> legal_next(SandboxState from, SandboxKind kind) {
  switch (from) {
    case kPending:
      return {kRunning, kTerminated};
    case kRunning:
      if (kind == SandboxKind::kEphemeral) return {kSnapshotting, kTerminated};
      return {kSnapshotting, kSuspending, kTerminated};
    case kSnapshotting:
      return {kRunning, kTerminated};
    case kSuspending:
      return {kSuspended, kRunning, kTerminated};  // kRunning: it could not be suspended
    case kSuspended:
      return {kRunning, kTerminated};
    case kTerminated:
      return {};
  }
  return {};
}

std::string names_of(const std::vector<SandboxState>& states) {
  std::string text;
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (i > 0) text += i + 1 == states.size() ? " or " : ", ";
    text += state_name(states[i]);
  }
  return text;
}

}  // namespace

std::string_view state_name(SandboxState state) {
  return spelling(state).name;
}
std::string_view state_key(SandboxState state) {
  return spelling(state).key;
}

std::optional<SandboxState> state_from_key(std::string_view key) {
  for (const Spelling& s : kSpellings) {
    if (s.key == key) return s.state;
  }
  return std::nullopt;
}

bool needs_monitor(SandboxState state) {
  return state != kSuspended && state != kTerminated;
}

Result<void> check_transition(SandboxState from, SandboxState to, SandboxKind kind) {
  const auto legal = legal_next(from, kind);
  if (std::find(legal.begin(), legal.end(), to) != legal.end()) return {};
  if (from == to) {
    return Error{ErrorCode::kConflict, fmt::format("the sandbox is already {}", state_name(to)), ""};
  }
  if (from == kTerminated) {
    return Error{
        ErrorCode::kConflict,
        fmt::format("the sandbox is Terminated, which is final: it cannot become {}", state_name(to)), ""};
  }
  const bool would_suspend = to == kSuspending || to == kSuspended;
  const bool needs_name = kind == SandboxKind::kEphemeral && would_suspend && from == kRunning;
  return Error{ErrorCode::kConflict,
               fmt::format("the sandbox is {}{} and can only become {}, not {}", state_name(from),
                           needs_name ? " but ephemeral" : "", names_of(legal), state_name(to)),
               needs_name ? "give it a name first: `tl sbx name ID NAME`" : ""};
}

AfterDeath after_monitor_death(SandboxState state, SandboxKind kind) {
  TL_CHECK(needs_monitor(state));
  // One that was still Pending never had anything worth keeping.
  if (kind == SandboxKind::kNamed && state != kPending) return {kSuspended, kMemoryLost};
  return {kTerminated, "its monitor died (killed, or the host restarted)"};
}

}  // namespace tl::registry
