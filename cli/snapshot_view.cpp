// SPDX-License-Identifier: Apache-2.0
#include "cli/snapshot_view.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "cli/age.hpp"
#include "common/time.hpp"

namespace tl::cli {
namespace {

using Json = nlohmann::ordered_json;
using snapshot::SnapshotManifest;

// One that is listed is whole: what is being made, or broke off, is not.
constexpr const char* kStatus = "completed";

const char* type_word(SnapshotManifest::Type type) {
  return type == SnapshotManifest::Type::kMemory ? "memory" : "filesystem";
}

Json text_json(const std::optional<std::string>& text) {
  return text && !text->empty() ? Json(*text) : Json(nullptr);
}

}  // namespace

nlohmann::ordered_json snapshot_json(const SnapshotManifest& snapshot) {
  Json json;
  json["snapshot_id"] = snapshot.snapshot_id;
  json["name"] = text_json(snapshot.name);
  json["status"] = kStatus;
  json["type"] = type_word(snapshot.type);
  json["sandbox_id"] = snapshot.sandbox_id;
  json["sandbox_name"] = text_json(snapshot.sandbox_name);
  json["image"] = snapshot.image;
  json["resources"] = {
      {"cpus", snapshot.cpus}, {"memory_mb", snapshot.memory_mb}, {"disk_mb", snapshot.disk_mb}};
  json["size_bytes"] = snapshot.size_bytes;
  json["created_at"] = format_utc(snapshot.created_at);
  json["accelerator"] = text_json(snapshot.accelerator);
  return json;
}

Table snapshot_table(const std::vector<SnapshotManifest>& snapshots,
                     std::chrono::system_clock::time_point now, Terminal terminal) {
  const bool with_names = terminal.is_terminal() &&
                          std::any_of(snapshots.begin(), snapshots.end(),
                                      [](const SnapshotManifest& each) { return each.name.has_value(); });
  std::vector<std::string> headings = {"ID",         "Status", "Type",      "Sandbox ID",
                                       "Base Image", "Size",   "Created At"};
  if (with_names) headings.emplace_back("Name");
  Table table(std::move(headings));
  for (const auto& snapshot : snapshots) {
    std::vector<std::string> cells = {snapshot.snapshot_id,         kStatus,        type_word(snapshot.type),
                                      snapshot.sandbox_id,          snapshot.image, size(snapshot.size_bytes),
                                      age(snapshot.created_at, now)};
    if (with_names) cells.push_back(snapshot.name.value_or(""));
    table.add(std::move(cells));
  }
  return table;
}

const std::string& handle_of(const SnapshotManifest& snapshot) {
  return snapshot.name ? *snapshot.name : snapshot.snapshot_id;
}

}  // namespace tl::cli
