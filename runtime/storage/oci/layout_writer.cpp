// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/layout_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/io.hpp"
#include "common/sha256.hpp"
#include "common/time.hpp"
#include "runtime/storage/oci/layer_blob.hpp"

namespace tl::storage::oci {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr std::size_t kMaxTagBytes = 128;
constexpr const char* kIndexType = "application/vnd.oci.image.index.v1+json";
constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kConfigType = "application/vnd.oci.image.config.v1+json";
constexpr const char* kLayerType = "application/vnd.oci.image.layer.v1.tar+gzip";

// Bytes that are not UTF-8 (from a strange environment) must not make the library throw.
std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json config_of(const ImageManifest& image, const LayerBlob& layer) {
  Json run = Json::object();
  if (!image.config.user.empty()) run["User"] = image.config.user;
  if (!image.config.env.empty()) run["Env"] = image.config.env;
  if (!image.config.entrypoint.empty()) run["Entrypoint"] = image.config.entrypoint;
  if (!image.config.cmd.empty()) run["Cmd"] = image.config.cmd;
  if (!image.config.working_dir.empty()) run["WorkingDir"] = image.config.working_dir;
  const std::string created = format_utc(image.created_at);
  return {{"created", created},
          {"architecture", image.architecture},
          {"os", "linux"},
          {"config", run},
          {"rootfs", {{"type", "layers"}, {"diff_ids", Json::array({layer.diff_id})}}},
          {"history",
           Json::array(
               {{{"created", created}, {"created_by", "tl sbx image export"}, {"comment", image.source}}})}};
}

class LayoutWriter {
 public:
  explicit LayoutWriter(fs::path folder) : folder_(std::move(folder)), blobs_(folder_ / "blobs/sha256") {}

  Result<WrittenLayout> run(const Image& image, const std::string& tag, const LongWork& work) {
    for (const fs::path& each : {blobs_.parent_path(), blobs_}) {
      if (::mkdir(each.c_str(), 0777) != 0) return errno_error("make " + each.string());
    }
    const auto layer = add_layer(image, work);
    if (!layer) return layer.error();
    auto config = add_blob(kConfigType, text_of(config_of(image.manifest, *layer)));
    if (!config) return config.error();
    auto manifest =
        add_blob(kManifestType, text_of({{"schemaVersion", 2},
                                         {"mediaType", kManifestType},
                                         {"config", *config},
                                         {"layers", Json::array({{{"mediaType", kLayerType},
                                                                  {"digest", layer->digest},
                                                                  {"size", layer->size_bytes}}})}}));
    if (!manifest) return manifest.error();
    const auto digest = (*manifest)["digest"].get<std::string>();
    (*manifest)["platform"] = {{"architecture", image.manifest.architecture}, {"os", "linux"}};
    (*manifest)["annotations"] = {{"org.opencontainers.image.ref.name", tag}};
    const Json index = {
        {"schemaVersion", 2}, {"mediaType", kIndexType}, {"manifests", Json::array({*manifest})}};
    if (auto done = write_file(folder_ / "index.json", text_of(index)); !done) return done.error();
    if (auto done = write_file(folder_ / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})"); !done)
      return done.error();
    for (const fs::path& each : {blobs_, blobs_.parent_path(), folder_}) {
      if (auto done = sync(each); !done) return done.error();
    }
    return WrittenLayout{digest, size_bytes_ + layer->size_bytes};
  }

 private:
  static Result<void> sync(const fs::path& folder) {
    const auto opened = open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY);
    if (!opened) return opened.error();
    return ::fsync(opened->get()) == 0 ? Result<void>() : errno_error("sync " + folder.string());
  }

  static Result<UniqueFd> make_file(const fs::path& path) {
    return open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
  }

  static Result<void> write_file(const fs::path& path, std::string_view text) {
    const auto file = make_file(path);
    if (!file) return file.error();
    if (auto written = write_all(file->get(), text); !written) return written.error().within(path.string());
    return ::fsync(file->get()) == 0 ? Result<void>() : errno_error("sync " + path.string());
  }

  // What others say of it.
  Result<Json> add_blob(const char* type, const std::string& text) {
    const std::string digits = sha256_hex(text);
    if (auto written = write_file(blobs_ / digits, text); !written) return written.error();
    size_bytes_ += text.size();
    return Json{{"mediaType", type}, {"digest", "sha256:" + digits}, {"size", text.size()}};
  }

  Result<LayerBlob> add_layer(const Image& image, const LongWork& work) {
    auto reader = Ext4Reader::open(image.root_file);
    if (!reader) return reader.error();
    const fs::path draft = blobs_ / ".layer";
    const auto file = make_file(draft);
    if (!file) return file.error();
    auto layer = write_layer(**reader, file->get(), work);
    if (!layer) return layer;
    if (::fsync(file->get()) != 0) return errno_error("sync " + draft.string());
    const fs::path blob = blobs_ / layer->digest.substr(layer->digest.find(':') + 1);
    if (::rename(draft.c_str(), blob.c_str()) != 0) return errno_error("rename " + draft.string());
    return layer;
  }

  fs::path folder_;
  fs::path blobs_;
  std::uint64_t size_bytes_ = 0;
};

}  // namespace

Result<void> check_tag(std::string_view tag) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const auto is_allowed = [&](char c) { return is_plain(c) || std::string_view("._:@/+-").find(c) < 7; };
  if (!tag.empty() && tag.size() <= kMaxTagBytes && is_plain(tag.front()) &&
      std::all_of(tag.begin(), tag.end(), is_allowed))
    return {};
  return Error{
      ErrorCode::kOutOfRange, "the tag is not one that a layout can have",
      fmt::format("1 to {} letters, digits or any of ._:@/+-, the first a letter or a digit", kMaxTagBytes)};
}

Result<WrittenLayout> write_layout(const Image& image, const std::string& tag, const fs::path& folder,
                                   const LongWork& work) {
  return LayoutWriter(folder).run(image, tag, work);
}

}  // namespace tl::storage::oci
