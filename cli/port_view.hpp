// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "cli/table.hpp"
#include "runtime/sandbox/info.hpp"

// How the exposed ports of a sandbox are shown.
namespace tl::cli {

// Where a port of the sandbox is now, "127.0.0.1:8000"; empty while it does not run.
std::string address_of(const SandboxInfo& sandbox, std::uint32_t port);

// An array. The names and meanings of its objects' fields never change.
nlohmann::ordered_json ports_json(const SandboxInfo& sandbox);

// The table of port ls.
Table port_table(const SandboxInfo& sandbox);

}  // namespace tl::cli
