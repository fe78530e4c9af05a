// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/command.hpp"
#include "common/result.hpp"

namespace tl::cli {

// The documented exit codes of `tl`. Scripts rely on them: they never change meaning.
inline constexpr int kSuccess = 0;
inline constexpr int kOtherFailure = 1;
inline constexpr int kUsage = 2;
inline constexpr int kNoSuchThing = 3;
inline constexpr int kConflict = 4;
inline constexpr int kBadValue = 5;
inline constexpr int kHostLacks = 6;
inline constexpr int kOwnFailure = 125;  // of verbs whose exit code is otherwise the user's command's

[[nodiscard]] int exit_code_of(ErrorCode code, Command::Failures failures);
[[nodiscard]] int usage_exit_code(Command::Failures failures);
// 128+n, as shells have it.
[[nodiscard]] int exit_code_of_signal(int signal);

}  // namespace tl::cli
