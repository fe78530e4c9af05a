// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "runtime/storage/oci/image_files.hpp"

namespace tl::storage::test {

// An image's files in memory. What a test has not put there is missing.
class MemoryFiles final : public oci::ImageFiles {
 public:
  std::map<std::string, std::string> files;
  Result<File> open(const std::string& path) override;
};

// Makes an OCI image layout, as a map of paths to contents.
class LayoutMaker {
 public:
  using Json = nlohmann::json;
  MemoryFiles files;

  LayoutMaker();
  // Puts a blob there; its descriptor.
  Json blob(const std::string& media_type, const std::string& contents);
  // An image of layers that are plain tars; the descriptor of its manifest. Changes to `config` come last.
  Json image(const std::vector<std::string>& layers, const Json& config = Json::object());
  // The descriptor of an index of these.
  Json index(const Json& manifests);
  // Writes index.json.
  void list(const Json& manifests);

  void write_to(const std::filesystem::path& folder) const;
  [[nodiscard]] std::string as_tar() const;
};

inline constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* kIndexType = "application/vnd.oci.image.index.v1+json";
inline constexpr const char* kLayerType = "application/vnd.oci.image.layer.v1.tar";

nlohmann::json named(nlohmann::json descriptor, const std::string& name);
nlohmann::json for_platform(nlohmann::json descriptor, const std::string& os,
                            const std::string& architecture);

}  // namespace tl::storage::test
