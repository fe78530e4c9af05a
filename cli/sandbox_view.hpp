// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "cli/table.hpp"
#include "runtime/sandbox/info.hpp"

// How a sandbox is shown.
namespace tl::cli {

// One object. The names and meanings of its fields never change.
nlohmann::ordered_json sandbox_json(const SandboxInfo& sandbox);

// The table of ls.
Table sandbox_table(const std::vector<SandboxInfo>& sandboxes, std::chrono::system_clock::time_point now);

// What describe prints: lines of "Label:" and value.
std::string sandbox_details(const SandboxInfo& sandbox, std::chrono::system_clock::time_point now);

// Its name, else its ID: what people type.
const std::string& handle_of(const SandboxInfo& sandbox);

// JSON as every --json prints it. Bytes that are not UTF-8 are replaced.
std::string json_text(const nlohmann::ordered_json& json);

}  // namespace tl::cli
