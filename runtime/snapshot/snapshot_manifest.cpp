// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/snapshot_manifest.hpp"

#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/identifier.hpp"
#include "common/time.hpp"
#include "runtime/snapshot/manifest_json.hpp"

namespace tl::snapshot {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kSchemaVersion = 1;

Error damaged(std::string_view what) {
  return Error{ErrorCode::kFailure, fmt::format("damaged manifest.json: {}", what), ""};
}

std::string_view type_key(SnapshotManifest::Type type) {
  return type == SnapshotManifest::Type::kMemory ? "memory" : "filesystem";
}

// get() converts between kinds of numbers without a word.
template <typename Unsigned>
Unsigned unsigned_at(const ordered_json& object, const char* key) {
  const ordered_json& value = object.at(key);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > std::numeric_limits<Unsigned>::max())
    throw ordered_json::other_error::create(501, fmt::format("`{}` is no number in range", key), &value);
  return value.get<Unsigned>();
}

std::optional<std::string> optional_text_at(const ordered_json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  return found->get<std::string>();
}

ordered_json or_null(const std::optional<std::string>& text) {
  return text ? ordered_json(*text) : ordered_json();
}

SnapshotManifest read(const ordered_json& document) {
  SnapshotManifest manifest;
  manifest.snapshot_id = document.at("snapshot_id").get<std::string>();
  manifest.name = optional_text_at(document, "name");
  manifest.sandbox_id = document.at("sandbox_id").get<std::string>();
  manifest.sandbox_name = optional_text_at(document, "sandbox_name");
  manifest.image = document.at("image").get<std::string>();
  manifest.image_digest = document.at("image_digest").get<std::string>();
  const ordered_json& resources = document.at("resources");
  manifest.cpus = resources.at("cpus").get<double>();
  manifest.memory_mb = unsigned_at<std::uint32_t>(resources, "memory_mb");
  manifest.disk_mb = unsigned_at<std::uint32_t>(resources, "disk_mb");
  manifest.accelerator = document.at("accelerator").get<std::string>();
  manifest.size_bytes = unsigned_at<std::uint64_t>(document, "size_bytes");
  manifest.entrypoint = document.at("entrypoint").dump();
  manifest.network = document.at("network").dump();
  return manifest;
}

}  // namespace

Result<std::string> SnapshotManifest::to_json() const {
  try {
    const ordered_json document = {
        {"schema_version", kSchemaVersion},
        {"snapshot_id", snapshot_id},
        {"name", or_null(name)},
        {"type", type_key(type)},
        {"sandbox_id", sandbox_id},
        {"sandbox_name", or_null(sandbox_name)},
        {"image", image},
        {"image_digest", image_digest},
        {"resources", {{"cpus", cpus}, {"memory_mb", memory_mb}, {"disk_mb", disk_mb}}},
        {"accelerator", accelerator},
        {"created_at", format_utc(created_at)},
        {"size_bytes", size_bytes},
        {"entrypoint", parse_manifest_json(entrypoint)},
        {"network", parse_manifest_json(network)},
    };
    return document.dump(2) + "\n";
  } catch (const ordered_json::exception& error) {
    return Error{ErrorCode::kOutOfRange, fmt::format("a snapshot's manifest: {}", error.what()), ""};
  }
}

Result<SnapshotManifest> SnapshotManifest::from_json(std::string_view text) {
  try {
    const auto document = parse_manifest_json(text);
    const auto version = unsigned_at<std::uint64_t>(document, "schema_version");
    if (version != kSchemaVersion) {
      return Error{ErrorCode::kFailure, fmt::format("schema version {} of manifest.json is unknown", version),
                   "it was made by another version of tl"};
    }
    SnapshotManifest manifest = read(document);
    if (!is_id(manifest.snapshot_id)) return damaged("`snapshot_id` is no ID");
    if (manifest.name && !is_name(*manifest.name)) return damaged("`name` is no name");
    if (!(std::isfinite(manifest.cpus) && manifest.cpus > 0)) return damaged("`cpus` is no number of CPUs");
    const auto type = document.at("type").get<std::string>();
    manifest.type = type == type_key(Type::kMemory) ? Type::kMemory : Type::kFilesystem;
    if (type != type_key(manifest.type)) return damaged("`type` is none of ours");
    const auto created = parse_utc(document.at("created_at").get<std::string>());
    if (!created) return damaged(created.error().message);
    manifest.created_at = *created;
    return manifest;
  } catch (const ordered_json::exception& error) {
    return damaged(error.what());
  }
}

}  // namespace tl::snapshot
