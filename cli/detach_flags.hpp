// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "cli/command.hpp"
#include "common/result.hpp"
#include "runtime/sandbox/spec.hpp"

// exec --detach, and what only means something beside it.
namespace tl::cli {

struct DetachFlags {
  DetachOptions options;
  enum class Wanted { kNo, kYes } wanted = Wanted::kNo;
  bool others = false;  // flags that only mean something beside --detach
};

// They set `flags`, which outlives the command.
void add_detach_flags(Command& command, DetachFlags& flags);

// Hands them over; kOutOfRange for flags that do not go together.
Result<void> settle_detachment(const DetachFlags& flags, ExecOptions& options);

}  // namespace tl::cli
