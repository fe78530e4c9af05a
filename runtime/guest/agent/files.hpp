// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/guest/protocol/messages.hpp"

// The guest's end of a copy is a process of the agent's own program. It runs as the user, so that a copy may
// do what the user may and no more; it is stopped, hung up and counted like any command; and PID 1 never
// waits for a file.
namespace tl::guest {

// How it is started, by an Exec that is given our program.
ExecRequest files_command(const FilesRequest& request);

// What it does then, with stdin, stdout and stderr; the exit code. Nothing when the words are not those of
// files_command().
std::optional<int> move_files(const std::vector<std::string>& words);

}  // namespace tl::guest
