// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/documents.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "runtime/storage/oci/digest.hpp"
#include "runtime/storage/oci/document_reader.hpp"

namespace tl::storage::oci {
namespace {

constexpr std::size_t kMaxVariables = 4096;
// Names of what can be unpacked; how it is compressed, its own bytes say. What is called "foreign" or
// "nondistributable" is not in the image at all but somewhere on the Internet.
constexpr std::array<std::string_view, 7> kLayerTypes = {
    "application/vnd.oci.image.layer.v1.tar",           "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",      "application/vnd.oci.image.layer.v1.tar+xz",
    "application/vnd.docker.image.rootfs.diff.tar",     "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd"};
constexpr std::array<std::string_view, 2> kConfigTypes = {"application/vnd.oci.image.config.v1+json",
                                                          "application/vnd.docker.container.image.v1+json"};

Result<Descriptor> descriptor_of(const Json& json, std::string_view document) {
  if (!json.is_object()) return document_error(document, "a descriptor is not an object");
  auto media_type = text_of(json, "mediaType", document);
  if (!media_type) return media_type.error();
  auto digest = text_of(json, "digest", document);
  if (!digest) return digest.error();
  if (auto valid = check_digest(*digest, document); !valid) return valid.error();
  const auto size = size_of(json, "size", document);
  if (!size) return size.error();
  const auto platform = object_of(json, "platform", document);
  if (!platform) return platform.error();
  auto os = text_of(*platform, "os", document);
  if (!os) return os.error();
  auto architecture = text_of(*platform, "architecture", document);
  if (!architecture) return architecture.error();
  const auto annotations = object_of(json, "annotations", document);
  if (!annotations) return annotations.error();
  Descriptor descriptor{*std::move(media_type), *std::move(digest),       *size,
                        *std::move(os),         *std::move(architecture), {}};
  for (const auto& [name, value] : annotations->items()) {
    if (value.is_string()) descriptor.annotations[name] = value.get<std::string>();
  }
  return descriptor;
}

// A document that says of which kind it is says what we expect.
Result<void> check_media_type(const Json& json, std::string_view document, bool (Descriptor::*is)() const) {
  if (!json.is_object()) return document_error(document, "is no object");
  const auto media_type = text_of(json, "mediaType", document);
  if (!media_type) return media_type.error();
  Descriptor named;
  named.media_type = *media_type;
  if (media_type->empty() || (named.*is)()) return {};
  return document_error(document, fmt::format("is of the kind \"{}\"", *media_type));
}

template <std::size_t Size>
bool contains(const std::array<std::string_view, Size>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

Result<ImageConfig> image_config_of(const Json& json, std::string_view document) {
  const auto config = object_of(json, "config", document);
  if (!config) return config.error();
  auto env = texts_of(*config, "Env", document);
  if (!env) return env.error();
  auto entrypoint = texts_of(*config, "Entrypoint", document);
  if (!entrypoint) return entrypoint.error();
  auto cmd = texts_of(*config, "Cmd", document);
  if (!cmd) return cmd.error();
  auto folder = text_of(*config, "WorkingDir", document);
  if (!folder) return folder.error();
  auto user = text_of(*config, "User", document);
  if (!user) return user.error();
  std::erase_if(*env, [](const std::string& variable) {
    const std::size_t equals = variable.find('=');
    return equals == std::string::npos || equals == 0;
  });
  if (env->size() > kMaxVariables) return document_error(document, "too many variables");
  return ImageConfig{*std::move(env), *std::move(folder), *std::move(user), *std::move(entrypoint),
                     *std::move(cmd)};
}

}  // namespace

bool Descriptor::is_index() const {
  return media_type == "application/vnd.oci.image.index.v1+json" ||
         media_type == "application/vnd.docker.distribution.manifest.list.v2+json";
}

bool Descriptor::is_manifest() const {
  return media_type == "application/vnd.oci.image.manifest.v1+json" ||
         media_type == "application/vnd.docker.distribution.manifest.v2+json";
}

bool Descriptor::is_about_another() const {
  return annotations.count("vnd.docker.reference.type") != 0 ||
         (os == "unknown" && architecture == "unknown");
}

Result<void> check_layout(std::string_view text) {
  const auto json = parse_document(text, "oci-layout");
  if (!json) return json.error();
  const auto version = text_of(*json, "imageLayoutVersion", "oci-layout");
  if (!version) return version.error();
  if (version->starts_with("1.")) return {};
  return document_error("oci-layout", fmt::format("version \"{}\" is not known", *version));
}

Result<std::vector<Descriptor>> parse_index(std::string_view text) {
  constexpr std::string_view kDocument = "image index";
  const auto json = parse_document(text, kDocument);
  if (!json) return json.error();
  if (auto kind = check_media_type(*json, kDocument, &Descriptor::is_index); !kind) return kind.error();
  const auto list = list_of(*json, "manifests", kDocument);
  if (!list) return list.error();
  if (list->size() > kMaxManifests)
    return document_error(kDocument, fmt::format("has more than {} manifests", kMaxManifests));
  std::vector<Descriptor> manifests;
  for (const Json& item : *list) {
    auto descriptor = descriptor_of(item, kDocument);
    if (!descriptor) return descriptor.error();
    manifests.push_back(*std::move(descriptor));
  }
  return manifests;
}

Result<Manifest> parse_manifest(std::string_view text) {
  constexpr std::string_view kDocument = "image manifest";
  const auto json = parse_document(text, kDocument);
  if (!json) return json.error();
  if (auto kind = check_media_type(*json, kDocument, &Descriptor::is_manifest); !kind) return kind.error();
  const auto config = object_of(*json, "config", kDocument);
  if (!config) return config.error();
  auto described = descriptor_of(*config, kDocument);
  if (!described) return described.error();
  if (!contains(kConfigTypes, described->media_type)) {
    return document_error(
        kDocument, fmt::format("is of no image: its config is of the kind \"{}\"", described->media_type));
  }
  Manifest manifest{*std::move(described), {}};
  const auto layers = list_of(*json, "layers", kDocument);
  if (!layers) return layers.error();
  if (layers->size() > kMaxLayers)
    return document_error(kDocument, fmt::format("has {} layers: at most {}", layers->size(), kMaxLayers));
  for (const Json& item : *layers) {
    auto layer = descriptor_of(item, kDocument);
    if (!layer) return layer.error();
    if (!contains(kLayerTypes, layer->media_type)) {
      return document_error(kDocument, fmt::format("has a layer of the kind \"{}\", which cannot be unpacked",
                                                   layer->media_type));
    }
    manifest.layers.push_back(*std::move(layer));
  }
  return manifest;
}

Result<Config> parse_config(std::string_view text) {
  constexpr std::string_view kDocument = "image config";
  const auto json = parse_document(text, kDocument);
  if (!json) return json.error();
  if (!json->is_object()) return document_error(kDocument, "not an object");
  auto os = text_of(*json, "os", kDocument);
  if (!os) return os.error();
  auto architecture = text_of(*json, "architecture", kDocument);
  if (!architecture) return architecture.error();
  const auto rootfs = object_of(*json, "rootfs", kDocument);
  if (!rootfs) return rootfs.error();
  auto diff_ids = texts_of(*rootfs, "diff_ids", kDocument);
  if (!diff_ids) return diff_ids.error();
  for (const auto& each : *diff_ids) {
    if (auto valid = check_digest(each, kDocument); !valid) return valid.error();
  }
  auto image = image_config_of(*json, kDocument);
  if (!image) return image.error();
  return Config{*std::move(os), *std::move(architecture), *std::move(diff_ids), *std::move(image)};
}

Result<std::vector<SavedImage>> parse_saved_images(std::string_view text) {
  constexpr std::string_view kDocument = "manifest.json";
  const auto json = parse_document(text, kDocument);
  if (!json) return json.error();
  if (!json->is_array()) return document_error(kDocument, "not a list of images");
  if (json->size() > kMaxManifests)
    return document_error(kDocument, fmt::format("has more than {} images", kMaxManifests));
  std::vector<SavedImage> images;
  for (const Json& item : *json) {
    if (!item.is_object()) return document_error(kDocument, "an image is not an object");
    auto config = text_of(item, "Config", kDocument);
    if (!config) return config.error();
    auto names = texts_of(item, "RepoTags", kDocument);
    if (!names) return names.error();
    auto layers = texts_of(item, "Layers", kDocument);
    if (!layers) return layers.error();
    if (config->empty()) return document_error(kDocument, "an image without \"Config\"");
    if (layers->size() > kMaxLayers)
      return document_error(kDocument, fmt::format("has {} layers: at most {}", layers->size(), kMaxLayers));
    images.push_back({*std::move(config), *std::move(names), *std::move(layers)});
  }
  return images;
}

}  // namespace tl::storage::oci
