// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/plan.hpp"

#include "common/sha256.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/oci/oci_support.hpp"

using namespace tl;
using namespace tl::storage;
using namespace tl::storage::oci;
using namespace tl::storage::test;
using Json = nlohmann::json;

namespace {

void expect_refused(const Result<Plan>& result, const std::string& words,
                    ErrorCode code = ErrorCode::kOutOfRange) {
  REQUIRE_FALSE(result);
  INFO(result.error().message);
  CHECK(result.error().code == code);
  CHECK(result.error().message.find(words) != std::string::npos);
}

}  // namespace

TEST_CASE("The only image of a layout needs no name") {
  LayoutMaker layout;
  const Json image = layout.image({"one", "two"}, {{"config", {{"User", "app"}}}});
  layout.list(Json::array({image}));
  const auto plan = plan_of_layout(layout.files, "");
  REQUIRE(plan);
  CHECK(plan->digest == image["digest"]);
  REQUIRE(plan->layers.size() == 2);
  CHECK(plan->layers[0].diff_id == "sha256:" + sha256_hex("one"));
  CHECK(plan->config.user == "app");
  CHECK(plan->name.empty());
}

TEST_CASE("Of several images the name chooses, and without one they are named") {
  LayoutMaker layout;
  const Json a = layout.image({"a"});
  const Json b = layout.image({"b"});
  Json c = layout.image({"c"});
  c["annotations"]["io.containerd.image.name"] = "docker.io/library/c:3";
  layout.list(Json::array({named(a, "first"), named(b, "second"), c}));
  expect_refused(plan_of_layout(layout.files, ""), "first, second");
  expect_refused(plan_of_layout(layout.files, "third"), "first", ErrorCode::kNotFound);
  CHECK(plan_of_layout(layout.files, "second")->digest == b["digest"]);
  CHECK(plan_of_layout(layout.files, "c:3")->digest == c["digest"]);
  CHECK(plan_of_layout(layout.files, "docker.io/library/c:3")->name == "docker.io/library/c:3");
}

TEST_CASE("Two names of one image are one image") {
  LayoutMaker layout;
  const Json a = layout.image({"a"});
  layout.list(Json::array({named(a, "1"), named(a, "latest")}));
  CHECK(plan_of_layout(layout.files, ""));
}

TEST_CASE("Of an image for several platforms the one for this machine is taken, attestations never") {
  LayoutMaker layout;
  const Json arm = for_platform(layout.image({"arm"}, {{"architecture", "arm64"}}), "linux", "arm64");
  const Json here = for_platform(layout.image({"here"}), "linux", "amd64");
  const Json note = for_platform(layout.image({"note"}), "unknown", "unknown");
  layout.list(Json::array({layout.index(Json::array({note, arm, layout.image({"x"}), here}))}));
  const auto plan = plan_of_layout(layout.files, "");
  REQUIRE(plan);
  CHECK(plan->digest == here["digest"]);
  layout.list(Json::array({note, arm, here}));
  CHECK(plan_of_layout(layout.files, "")->digest == here["digest"]);
  layout.list(Json::array({layout.index(Json::array({arm, note}))}));
  expect_refused(plan_of_layout(layout.files, ""), "linux/arm64");
  layout.list(Json::array({arm}));
  expect_refused(plan_of_layout(layout.files, ""), "linux/arm64");
}

TEST_CASE("Indexes within indexes come to an end") {
  LayoutMaker layout;
  Json at = layout.image({"a"});
  for (int i = 0; i < 3; ++i) at = layout.index(Json::array({at}));
  layout.list(Json::array({at}));
  CHECK(plan_of_layout(layout.files, ""));
  for (int i = 0; i < 3; ++i) at = layout.index(Json::array({at}));
  layout.list(Json::array({at}));
  expect_refused(plan_of_layout(layout.files, ""), "deep");
}

TEST_CASE("A document whose digest or size lies is refused") {
  LayoutMaker layout;
  Json image = layout.image({"a"});
  const std::string path = "blobs/sha256/" + image["digest"].get<std::string>().substr(7);
  layout.list(Json::array({image}));
  layout.files.files[path][0] = ' ';
  expect_refused(plan_of_layout(layout.files, ""), "digest");
  layout.files.files[path] += " ";
  expect_refused(plan_of_layout(layout.files, ""), "more bytes");
  layout.files.files[path].resize(20);
  expect_refused(plan_of_layout(layout.files, ""), "less bytes");
  layout.files.files.erase(path);
  expect_refused(plan_of_layout(layout.files, ""), "missing", ErrorCode::kNotFound);
  image["size"] = std::uint64_t{100} << 20;
  layout.list(Json::array({image}));
  expect_refused(plan_of_layout(layout.files, ""), "longer");
}

TEST_CASE("Layouts of another version, kind or number of layers are refused") {
  LayoutMaker layout;
  Json image = layout.image({"a"});
  layout.list(Json::array({image}));
  layout.files.files["oci-layout"] = R"({"imageLayoutVersion": "2.0.0"})";
  expect_refused(plan_of_layout(layout.files, ""), "2.0.0");
  LayoutMaker other;
  image = other.image({"a"});
  image["mediaType"] = "application/vnd.docker.distribution.manifest.v1+prettyjws";
  other.list(Json::array({image}));
  expect_refused(plan_of_layout(other.files, ""), "prettyjws");
  other.list(Json::array({other.image(
      {"a"}, {{"rootfs",
               {{"diff_ids", Json::array({"sha256:" + sha256_hex("a"), "sha256:" + sha256_hex("b")})}}}})}));
  expect_refused(plan_of_layout(other.files, ""), "2 layers");
  other.list(Json::array());
  expect_refused(plan_of_layout(other.files, ""), "no image");
}

TEST_CASE("A docker save archive is chosen from by its tags") {
  MemoryFiles files;
  const auto config = [](const std::string& layer) {
    return Json{{"os", "linux"},
                {"architecture", "amd64"},
                {"rootfs", {{"diff_ids", {"sha256:" + sha256_hex(layer)}}}}}
        .dump();
  };
  files.files["a.json"] = config("a");
  files.files["b.json"] = config("b");
  const Json a = {{"Config", "a.json"}, {"RepoTags", {"app:1", "app:latest"}}, {"Layers", {"a/layer.tar"}}};
  const Json b = {{"Config", "b.json"}, {"RepoTags", {"other:1"}}, {"Layers", {"b/layer.tar"}}};
  files.files["manifest.json"] = Json::array({a}).dump();
  const auto only = plan_of_saved(files, "");
  REQUIRE(only);
  CHECK(only->name == "app:1");
  CHECK(only->digest == "sha256:" + sha256_hex(config("a")));
  CHECK_FALSE(only->layers[0].digest);
  files.files["manifest.json"] = Json::array({a, b}).dump();
  expect_refused(plan_of_saved(files, ""), "app:1, app:latest, other:1");
  CHECK(plan_of_saved(files, "other:1")->layers[0].path == "b/layer.tar");
  CHECK(plan_of_saved(files, "app")->layers[0].path == "a/layer.tar");
  expect_refused(plan_of_saved(files, "nobodys:1"), "other:1", ErrorCode::kNotFound);
  files.files["b.json"] = "{}";
  expect_refused(plan_of_saved(files, "other:1"), "0 layers");
}
