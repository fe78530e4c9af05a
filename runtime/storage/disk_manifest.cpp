// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/disk_manifest.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "runtime/storage/cluster_map_format.hpp"

namespace tl::storage {
namespace {

constexpr int kSchemaVersion = 2;
constexpr std::uint64_t kFirstVersion = 1;  // knows neither frozen disks nor merged layers
constexpr std::uint64_t kMaxQuotaBytes = kMaxDeviceBytes * DiskManifest::kMaxLayers;

bool is_valid_digest(const std::string& digest) {
  constexpr std::size_t kMaxLength = 160;
  constexpr std::string_view kPunctuation = ":._+-";
  return !digest.empty() && digest.size() <= kMaxLength &&
         std::all_of(digest.begin(), digest.end(), [&](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  kPunctuation.find(c) != std::string_view::npos;
         });
}

Error out_of_range(const std::string& what) {
  return Error{ErrorCode::kOutOfRange, what, ""};
}

Error damaged(const std::string& what) {
  return Error{ErrorCode::kFailure, "damaged " + std::string(DiskManifest::kFileName) + ": " + what, ""};
}

}  // namespace

Result<void> DiskManifest::check() const {
  if (!is_valid_device_size(device_bytes))
    return out_of_range("device size " + std::to_string(device_bytes) + " is not a multiple of 4096 up to " +
                        std::to_string(kMaxDeviceBytes));
  if (quota_bytes < kClusterBytes || quota_bytes > kMaxQuotaBytes)
    return out_of_range("disk quota " + std::to_string(quota_bytes) + " is out of range");
  if (!is_valid_digest(base_digest)) return out_of_range("the image's digest is malformed");
  if (base_bytes > device_bytes) return out_of_range("the image is larger than the disk");
  if (layers.empty() || layers.size() > (frozen ? kMaxLayers - 1 : kMaxLayers))
    return out_of_range(std::to_string(layers.size()) + " layers are out of range");
  if (!std::all_of(layers.begin(), layers.end(), is_valid_layer_id))
    return out_of_range("a layer id is malformed");
  if (std::set(layers.begin(), layers.end()).size() != layers.size())
    return out_of_range("a layer is there twice");
  if (bottom_stands_for.empty()) return {};
  if (!is_valid_layer_id(bottom_stands_for) || frozen_layers() == 0 ||
      std::find(layers.begin(), layers.end(), bottom_stands_for) != layers.end())
    return out_of_range("the bottom layer stands for what it cannot stand for");
  return {};
}

std::uint64_t DiskManifest::base_clusters() const {
  return (base_bytes + kClusterBytes - 1) / kClusterBytes;
}

std::string DiskManifest::parent_of(std::size_t index) const {
  TL_CHECK(index <= layers.size());
  if (index == 0) return "";
  return index == 1 && !bottom_stands_for.empty() ? bottom_stands_for : layers[index - 1];
}

std::string DiskManifest::to_json() const {
  nlohmann::ordered_json document = {{"schema_version", kSchemaVersion},
                                     {"cluster_bytes", kClusterBytes},
                                     {"device_bytes", device_bytes},
                                     {"quota_bytes", quota_bytes},
                                     {"base", {{"digest", base_digest}, {"bytes", base_bytes}}},
                                     {"frozen", frozen},
                                     {"layers", layers}};
  if (!bottom_stands_for.empty()) document["bottom_stands_for"] = bottom_stands_for;
  return document.dump(2) + "\n";
}

Result<DiskManifest> DiskManifest::from_json(std::string_view text) {
  // get() converts between kinds of numbers without a word, so sizes are taken through this.
  const auto size = [](const nlohmann::json& value) {
    if (!value.is_number_unsigned()) throw nlohmann::json::other_error::create(501, "not a size", &value);
    return value.get<std::uint64_t>();
  };
  try {
    const auto document = nlohmann::json::parse(text);
    const std::uint64_t version = size(document.at("schema_version"));
    if (version != kSchemaVersion && version != kFirstVersion)
      return Error{ErrorCode::kFailure, "disk schema version " + std::to_string(version) + " is unknown",
                   "it was made by another version of tl"};
    if (size(document.at("cluster_bytes")) != kClusterBytes) return damaged("cluster size is not 4096");
    DiskManifest manifest;
    manifest.device_bytes = size(document.at("device_bytes"));
    manifest.quota_bytes = size(document.at("quota_bytes"));
    manifest.base_digest = document.at("base").at("digest").get<std::string>();
    manifest.base_bytes = size(document.at("base").at("bytes"));
    manifest.layers = document.at("layers").get<std::vector<std::string>>();
    if (version != kFirstVersion) {
      manifest.frozen = document.at("frozen").get<bool>();
      const auto stands_for = document.find("bottom_stands_for");
      if (stands_for != document.end()) {
        manifest.bottom_stands_for = stands_for->get<std::string>();
        if (manifest.bottom_stands_for.empty()) return damaged("a layer id is malformed");
      }
    }
    if (auto sound = manifest.check(); !sound) return damaged(sound.error().message);
    return manifest;
  } catch (const nlohmann::json::exception& error) {
    return damaged(error.what());
  }
}

Result<DiskManifest> DiskManifest::read(DiskFolder& folder) {
  auto text = folder.read_document(kFileName, kMaxBytes);
  if (text) return from_json(*text);
  if (text.error().code != ErrorCode::kNotFound) return text.error();
  return Error{ErrorCode::kFailure, "half-made disk: " + text.error().message, ""};
}

}  // namespace tl::storage
