// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/image_manifest.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/sha256.hpp"
#include "common/time.hpp"
#include "runtime/storage/ext4_builder.hpp"

namespace tl::storage {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::string_view kDigestPrefix = "sha256:";

Error damaged(std::string_view why) {
  return Error{ErrorCode::kFailure, fmt::format("image manifest: {}", why), ""};
}

ImageConfig config_of(const Json& json) {
  return ImageConfig{.env = json.at("env").get<std::vector<std::string>>(),
                     .working_dir = json.at("working_dir").get<std::string>(),
                     .user = json.at("user").get<std::string>(),
                     .entrypoint = json.at("entrypoint").get<std::vector<std::string>>(),
                     .cmd = json.at("cmd").get<std::vector<std::string>>()};
}

Json json_of(const ImageConfig& config) {
  return {{"env", config.env},
          {"working_dir", config.working_dir},
          {"user", config.user},
          {"entrypoint", config.entrypoint},
          {"cmd", config.cmd}};
}

}  // namespace

std::string to_json(const ImageManifest& manifest) {
  const Json json = {{"schema_version", ImageManifest::kSchemaVersion},
                     {"digest", manifest.digest},
                     {"source", manifest.source},
                     {"source_digest", manifest.source_digest},
                     {"architecture", manifest.architecture},
                     {"file_system", "ext4"},
                     {"size_bytes", manifest.size_bytes},
                     {"used_bytes", manifest.used_bytes},
                     {"disk_mib", manifest.disk_mib},
                     {"created_at", format_utc(manifest.created_at)},
                     {"config", json_of(manifest.config)}};
  // Bytes that are not UTF-8 (from a strange environment) must not make the library throw.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_json(const ImageConfig& config) {
  return json_of(config).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<ImageManifest> parse_image_manifest(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    const int version = json.at("schema_version").get<int>();
    if (version > ImageManifest::kSchemaVersion) return damaged("made by a newer tl");
    const auto created_at = parse_utc(json.at("created_at").get<std::string>());
    if (!created_at) return damaged(created_at.error().message);
    ImageManifest manifest{.digest = json.at("digest").get<std::string>(),
                           .source = json.at("source").get<std::string>(),
                           .source_digest = json.value("source_digest", std::string()),
                           .architecture = json.at("architecture").get<std::string>(),
                           .size_bytes = json.at("size_bytes").get<std::uint64_t>(),
                           .used_bytes = json.at("used_bytes").get<std::uint64_t>(),
                           .disk_mib = json.at("disk_mib").get<std::uint64_t>(),
                           .created_at = *created_at,
                           .config = config_of(json.at("config"))};
    if (!is_image_digest(manifest.digest)) return damaged("digest is malformed");
    return manifest;
  } catch (const Json::exception& exception) {
    return damaged(exception.what());
  }
}

std::string image_digest(std::string_view what) {
  return fmt::format("{}{}", kDigestPrefix,
                     sha256_hex(fmt::format("tl-image ext4 {}\n{}", Ext4Builder::kFormatVersion, what)));
}

bool is_image_digest(std::string_view text) {
  if (text.size() != kDigestPrefix.size() + 64 || text.substr(0, kDigestPrefix.size()) != kDigestPrefix)
    return false;
  text.remove_prefix(kDigestPrefix.size());
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace tl::storage
