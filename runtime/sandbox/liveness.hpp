// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include "common/result.hpp"
#include "runtime/registry/record.hpp"

namespace tl {

// A monitor belongs to it.
[[nodiscard]] inline bool is_live(const registry::SandboxRecord& record) {
  return registry::needs_monitor(record.status);
}

// How people know it.
[[nodiscard]] inline const std::string& handle(const registry::SandboxRecord& record) {
  return record.name ? *record.name : record.sandbox_id;
}

// Why something cannot be done with a sandbox that is not live.
[[nodiscard]] inline Error not_live(const registry::SandboxRecord& record) {
  const std::string why = record.reason.empty() ? "" : fmt::format(" ({})", record.reason);
  return Error{
      ErrorCode::kConflict,
      fmt::format("sandbox {} is {}{}", handle(record), registry::state_name(record.status), why),
      record.status == registry::SandboxState::kTerminated ? "create another one with tl sbx create" : ""};
}

}  // namespace tl
