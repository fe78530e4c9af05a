// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cli/table.hpp"
#include "runtime/sandbox/info.hpp"

// How a session is shown.
namespace tl::cli {

// One object. The names and meanings of its fields never change.
nlohmann::ordered_json session_json(const SessionInfo& session);

// The table of pty ls.
Table session_table(const std::vector<SessionInfo>& sessions, std::chrono::system_clock::time_point now);

}  // namespace tl::cli
