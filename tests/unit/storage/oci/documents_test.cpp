// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/documents.hpp"

#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::storage::oci;
using Json = nlohmann::json;

namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

Json descriptor(const std::string& media_type) {
  return {{"mediaType", media_type}, {"digest", kDigest}, {"size", 5}};
}

Json manifest() {
  return {{"config", descriptor("application/vnd.oci.image.config.v1+json")},
          {"layers", Json::array({descriptor("application/vnd.oci.image.layer.v1.tar+gzip")})}};
}

template <typename T>
void expect_refused(const Result<T>& result, const std::string& words) {
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kOutOfRange);
  INFO(result.error().message);
  CHECK(result.error().message.find(words) != std::string::npos);
  for (const char c : result.error().message) CHECK((static_cast<unsigned char>(c) >= 0x20 && c != 0x7f));
}

}  // namespace

TEST_CASE("A manifest says what its config and layers are") {
  const auto parsed = parse_manifest(manifest().dump());
  REQUIRE(parsed);
  CHECK(parsed->config.digest == kDigest);
  REQUIRE(parsed->layers.size() == 1);
  CHECK(parsed->layers[0].size_bytes == 5);
}

TEST_CASE("A layer that is not in the image, or of an unknown kind, is refused by that name") {
  for (const std::string kind :
       {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "text/plain\nfoo", ""}) {
    Json json = manifest();
    json["layers"][0]["mediaType"] = kind;
    expect_refused(parse_manifest(json.dump()), kind.substr(0, 10));
  }
}

TEST_CASE("A manifest of something that is no image is refused") {
  Json json = manifest();
  json["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json";
  expect_refused(parse_manifest(json.dump()), "helm");
  json = manifest();
  json["mediaType"] = "application/vnd.oci.image.index.v1+json";
  expect_refused(parse_manifest(json.dump()), "index");
}

TEST_CASE("Five thousand layers are refused, five hundred and twelve are not") {
  Json json = manifest();
  while (json["layers"].size() < kMaxLayers) json["layers"].push_back(json["layers"][0]);
  CHECK(parse_manifest(json.dump()));
  while (json["layers"].size() < 4000) json["layers"].push_back(json["layers"][0]);
  expect_refused(parse_manifest(json.dump()), "512");
  while (json["layers"].size() < 5000) json["layers"].push_back(json["layers"][0]);
  expect_refused(parse_manifest(json.dump()), "layers");
}

TEST_CASE("Documents that are huge, deep, cut off, or no JSON are refused") {
  expect_refused(parse_manifest(std::string(kMaxDocumentBytes + 1, ' ')), "longer");
  expect_refused(parse_manifest(std::string(1'000'000, '[')), "deep");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += R"({"a":)";
  expect_refused(parse_manifest(deep), "deep");
  const std::string whole = manifest().dump();
  for (std::size_t cut = 0; cut < whole.size(); ++cut)
    expect_refused(parse_manifest(whole.substr(0, cut)), "");
  expect_refused(parse_manifest("\xff\xfe"), "JSON");
  expect_refused(parse_index("[]"), "");
}

TEST_CASE("Brackets in texts are not nesting") {
  Json json = manifest();
  json["annotations"] = {{"note", std::string(100, '[') + "\\\"{" + std::string(100, '{')}};
  CHECK(parse_manifest(json.dump()));
}

TEST_CASE("Digests of another form and sizes that are none are refused") {
  for (const std::string& digest :
       {"sha256:" + std::string(63, 'a'), "sha256:" + std::string(64, 'A'),
        std::string("sha256:../../etc/passwd"), std::string(), "md5:" + std::string(32, 'a')}) {
    Json json = manifest();
    json["layers"][0]["digest"] = digest;
    expect_refused(parse_manifest(json.dump()), "digest");
  }
  Json json = manifest();
  json["layers"][0]["digest"] = "sha512:" + std::string(128, 'a');
  expect_refused(parse_manifest(json.dump()), "sha512");
  for (const Json& size : {Json(-1), Json("5"), Json(nullptr), Json(1.5)}) {
    json = manifest();
    json["layers"][0]["size"] = size;
    expect_refused(parse_manifest(json.dump()), "size");
  }
}

TEST_CASE("A config tells how commands run, with nothing where it says nothing") {
  const auto empty = parse_config("{}");
  REQUIRE(empty);
  CHECK(empty->image.env.empty());
  const auto parsed = parse_config(R"({"os": "linux", "architecture": "amd64",
      "config": {"Env": ["PATH=/bin", "EMPTY=", "NOTHING", "=x", "A=b=c"], "WorkingDir": "/srv", "User": "app:www",
                 "Entrypoint": ["/bin/app"], "Cmd": null}, "rootfs": null})");
  REQUIRE(parsed);
  CHECK(parsed->image.env == std::vector<std::string>{"PATH=/bin", "EMPTY=", "A=b=c"});
  CHECK(parsed->image.working_dir == "/srv");
  CHECK(parsed->image.user == "app:www");
  CHECK(parsed->image.entrypoint == std::vector<std::string>{"/bin/app"});
  CHECK(parsed->image.cmd.empty());
  expect_refused(parse_config(R"({"config": {"Env": "PATH=/bin"}})"), "Env");
  expect_refused(parse_config(R"({"config": {"Env": [1]}})"), "Env");
  expect_refused(parse_config(R"({"config": {"User": "a\u0000b"}})"), "User");
  expect_refused(parse_config(R"({"rootfs": {"diff_ids": ["x"]}})"), "digest");
  expect_refused(parse_config("[]"), "object");
}

TEST_CASE("The list of a docker save archive is parsed") {
  const auto parsed = parse_saved_images(
      R"([{"Config": "a.json", "RepoTags": ["app:1"], "Layers": ["b/layer.tar"]}, {"Config": "c.json", "RepoTags": null, "Layers": null}])");
  REQUIRE(parsed);
  REQUIRE(parsed->size() == 2);
  CHECK((*parsed)[0].names == std::vector<std::string>{"app:1"});
  CHECK((*parsed)[1].layers.empty());
  expect_refused(parse_saved_images("{}"), "list");
  expect_refused(parse_saved_images(R"([{"Layers": []}])"), "Config");
  expect_refused(parse_saved_images("[5]"), "object");
}

TEST_CASE("An attestation is about an image, and is none") {
  Json json = {{"manifests", Json::array({descriptor("application/vnd.oci.image.manifest.v1+json")})}};
  json["manifests"][0]["platform"] = {{"os", "unknown"}, {"architecture", "unknown"}};
  const auto parsed = parse_index(json.dump());
  REQUIRE(parsed);
  CHECK((*parsed)[0].is_about_another());
  CHECK((*parsed)[0].is_manifest());
}
