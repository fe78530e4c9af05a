// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "runtime/snapshot/snapshot_manifest.hpp"

// How a snapshot is shown.
namespace tl::cli {

// One object. The names and meanings of its fields never change.
nlohmann::ordered_json snapshot_json(const snapshot::SnapshotManifest& snapshot);

// The table of checkpoint ls. Its columns in a pipe are fixed; on a terminal names have one more, when there
// are any.
Table snapshot_table(const std::vector<snapshot::SnapshotManifest>& snapshots,
                     std::chrono::system_clock::time_point now, Terminal terminal);

// Its name, else its ID: what people type.
const std::string& handle_of(const snapshot::SnapshotManifest& snapshot);

}  // namespace tl::cli
