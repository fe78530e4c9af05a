// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/layout_export.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "common/sha256.hpp"
#include "runtime/storage/tar_import.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/ext4_reader.hpp"
#include "tests/unit/storage/ext4_samples.hpp"
#include "tests/unit/storage/image_support.hpp"

using namespace tl;
using namespace tl::storage;
using namespace tl::storage::oci;
using tl::storage::test::TempFolder;
using Json = nlohmann::json;

namespace {

std::string text_of(const std::filesystem::path& path) {
  const test::Bytes bytes = test::read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Fixture {
  Fixture() {
    test::make_sample(image.root_file);
    image.manifest.source = "a test";
    image.manifest.architecture = "amd64";
    image.manifest.created_at = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000));
    image.manifest.config = {.env = {"A=1", "B=two words"},
                             .working_dir = "/srv",
                             .user = "1000:1000",
                             .entrypoint = {"/bin/sh", "-c"},
                             .cmd = {"id"}};
  }
  [[nodiscard]] std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& each : std::filesystem::directory_iterator(folder.path()))
      names.insert(each.path().filename());
    return names;
  }

  TempFolder folder;
  Image image{"sample", folder.path() / "root.ext4", {}};
  std::filesystem::path to = folder.path() / "layout";
};

// The blob of a descriptor, whose digest and size it has.
std::string blob(const std::filesystem::path& layout, const Json& descriptor) {
  const auto digest = descriptor.at("digest").get<std::string>();
  REQUIRE(digest.rfind("sha256:", 0) == 0);
  std::string bytes = text_of(layout / "blobs/sha256" / digest.substr(7));
  CHECK(sha256_hex(bytes) == digest.substr(7));
  CHECK(bytes.size() == descriptor.at("size").get<std::size_t>());
  return bytes;
}

}  // namespace

TEST_CASE("A layout has the image's configuration and contents, under digests that are right") {
  Fixture fixture;
  const auto layout = export_layout(fixture.image, "1.2", fixture.to, {});
  REQUIRE(layout);
  CHECK(Json::parse(text_of(fixture.to / "oci-layout")) == Json{{"imageLayoutVersion", "1.0.0"}});
  const Json index = Json::parse(text_of(fixture.to / "index.json"));
  REQUIRE(index.at("manifests").size() == 1);
  const Json& named = index["manifests"][0];
  CHECK(named["annotations"]["org.opencontainers.image.ref.name"] == "1.2");
  CHECK(named["digest"] == layout->digest);
  const std::string manifest_text = blob(fixture.to, named);
  const Json manifest = Json::parse(manifest_text);
  CHECK(manifest["schemaVersion"] == 2);
  const std::string config_text = blob(fixture.to, manifest["config"]);
  const Json config = Json::parse(config_text);
  CHECK(config["architecture"] == "amd64");
  CHECK(config["os"] == "linux");
  CHECK(config["created"] == "2023-11-14T22:13:20.000Z");
  CHECK(config["config"] == Json{{"Env", {"A=1", "B=two words"}},
                                 {"WorkingDir", "/srv"},
                                 {"User", "1000:1000"},
                                 {"Entrypoint", {"/bin/sh", "-c"}},
                                 {"Cmd", {"id"}}});
  REQUIRE(manifest["layers"].size() == 1);
  CHECK(manifest["layers"][0]["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip");
  const std::string layer = blob(fixture.to, manifest["layers"][0]);
  CHECK(layout->size_bytes == manifest_text.size() + config_text.size() + layer.size());

  auto builder = Ext4Builder::create(fixture.folder.path() / "again", {.size_mib = test::kSampleMib});
  REQUIRE(builder);
  REQUIRE(add_tar(**builder, test::source_of(layer, 4096)));
  REQUIRE((*builder)->finish());
  const test::Ext4Reader again(fixture.folder.path() / "again");
  CHECK(again.contents("file") == "hello");
  CHECK(again.contents("etc/passwd").rfind("root:", 0) == 0);
  CHECK_FALSE(again.exists("etc/hostname"));
}

TEST_CASE("The same image makes the same layout, whatever it is called and wherever it goes") {
  Fixture fixture;
  const auto first = export_layout(fixture.image, "a", fixture.to, {});
  std::filesystem::create_directory(fixture.folder.path() / "empty");
  const auto second = export_layout(fixture.image, "b", fixture.folder.path() / "empty", {});
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->digest == second->digest);
  REQUIRE(export_layout(fixture.image, "a", fixture.folder.path() / "one.tar", {}));
  REQUIRE(export_layout(fixture.image, "a", fixture.folder.path() / "two.tar", {}));
  CHECK(text_of(fixture.folder.path() / "one.tar") == text_of(fixture.folder.path() / "two.tar"));
  CHECK(fixture.names() == std::set<std::string>{"root.ext4", "layout", "empty", "one.tar", "two.tar"});
}

TEST_CASE("A layout never takes the place of something") {
  Fixture fixture;
  std::filesystem::create_directories(fixture.to / "something");
  const auto full = export_layout(fixture.image, "a", fixture.to, {});
  REQUIRE_FALSE(full);
  CHECK(full.error().code == ErrorCode::kConflict);
  CHECK_FALSE(full.error().hint.empty());
  for (const char* name : {"file", "file.tar"}) {
    test::write_file(fixture.folder.path() / name, {});
    const auto file = export_layout(fixture.image, "a", fixture.folder.path() / name, {});
    REQUIRE_FALSE(file);
    CHECK(file.error().code == ErrorCode::kConflict);
  }
  const auto nowhere = export_layout(fixture.image, "a", fixture.folder.path() / "no/where", {});
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().code == ErrorCode::kNotFound);
}

TEST_CASE("A layout that is given up, or of a damaged image, leaves nothing") {
  Fixture fixture;
  for (const char* name : {"layout", "layout.tar"}) {
    std::uint64_t moved = 0;
    const LongWork work{[&moved](std::uint64_t bytes) { moved = bytes; }, [&moved] { return moved > 0; }};
    REQUIRE_FALSE(export_layout(fixture.image, "a", fixture.folder.path() / name, work));
    CHECK(fixture.names() == std::set<std::string>{"root.ext4"});
  }
  std::filesystem::create_directory(fixture.to);
  std::filesystem::resize_file(fixture.image.root_file, 1 << 20);
  REQUIRE_FALSE(export_layout(fixture.image, "a", fixture.to, {}));
  CHECK(std::filesystem::is_empty(fixture.to));
}

TEST_CASE("A tag that no layout can have is refused") {
  for (const char* good : {"latest", "1.2", "docker.io/library/debian:12", "a@b+c"}) CHECK(check_tag(good));
  for (const std::string& bad : {std::string(), std::string(".x"), std::string("a b"), std::string("a\n"),
                                 std::string("ä"), std::string(129, 'x')}) {
    const auto checked = check_tag(bad);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == ErrorCode::kOutOfRange);
  }
}
