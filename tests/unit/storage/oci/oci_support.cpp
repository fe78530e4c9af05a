// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/storage/oci/oci_support.hpp"

#include <fstream>
#include <memory>

#include "common/sha256.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/image_support.hpp"

namespace tl::storage::test {

Result<oci::ImageFiles::File> MemoryFiles::open(const std::string& path) {
  const auto found = files.find(path);
  if (found == files.end()) return Error{ErrorCode::kNotFound, path + " is missing", ""};
  return File{source_of(found->second, 4096), found->second.size()};
}

LayoutMaker::LayoutMaker() {
  files.files["oci-layout"] = R"({"imageLayoutVersion": "1.0.0"})";
}

nlohmann::json LayoutMaker::blob(const std::string& media_type, const std::string& contents) {
  const std::string digits = sha256_hex(contents);
  files.files["blobs/sha256/" + digits] = contents;
  return {{"mediaType", media_type}, {"digest", "sha256:" + digits}, {"size", contents.size()}};
}

nlohmann::json LayoutMaker::image(const std::vector<std::string>& layers, const Json& config) {
  Json whole = {{"os", "linux"},
                {"architecture", "amd64"},
                {"rootfs", {{"type", "layers"}, {"diff_ids", Json::array()}}}};
  Json descriptors = Json::array();
  for (const auto& layer : layers) {
    descriptors.push_back(blob(kLayerType, layer));
    whole["rootfs"]["diff_ids"].push_back("sha256:" + sha256_hex(layer));
  }
  whole.update(config);
  const Json manifest = {{"schemaVersion", 2},
                         {"mediaType", kManifestType},
                         {"config", blob("application/vnd.oci.image.config.v1+json", whole.dump())},
                         {"layers", descriptors}};
  return blob(kManifestType, manifest.dump());
}

nlohmann::json LayoutMaker::index(const Json& manifests) {
  return blob(kIndexType, Json{{"schemaVersion", 2}, {"manifests", manifests}}.dump());
}

void LayoutMaker::list(const Json& manifests) {
  files.files["index.json"] = Json{{"schemaVersion", 2}, {"manifests", manifests}}.dump();
}

void LayoutMaker::write_to(const std::filesystem::path& folder) const {
  for (const auto& [path, contents] : files.files) {
    std::filesystem::create_directories((folder / path).parent_path());
    std::ofstream(folder / path, std::ios::binary) << contents;
  }
}

std::string LayoutMaker::as_tar() const {
  TarMaker tar;
  for (const auto& [path, contents] : files.files) tar.file("./" + path, contents);
  return tar.finish();
}

nlohmann::json named(nlohmann::json descriptor, const std::string& name) {
  descriptor["annotations"]["org.opencontainers.image.ref.name"] = name;
  return descriptor;
}

nlohmann::json for_platform(nlohmann::json descriptor, const std::string& os,
                            const std::string& architecture) {
  descriptor["platform"] = {{"os", os}, {"architecture", architecture}};
  return descriptor;
}

}  // namespace tl::storage::test
