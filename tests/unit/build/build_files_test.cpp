// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/build_files.hpp"

#include "tests/support/catch.hpp"
#include "tests/unit/build/folder.hpp"

using namespace tl;
using namespace tl::build;

using Here = test::Folder;

TEST_CASE_METHOD(Here, "a Dockerfile has its folder as context, a folder its Dockerfile") {
  write("web/Dockerfile", "FROM a\n");
  write("web/file", "");
  for (const auto& given : {path("web"), path("web/"), path("web/Dockerfile")}) {
    INFO(given);
    const auto files = open_build(given, {});
    REQUIRE(files);
    CHECK(files->dockerfile.name == "Dockerfile");
    CHECK(files->name == "web");
    CHECK(files->context.find("file"));
  }
  write("other/Build.file", "FROM b\n");
  const auto files = open_build(path("web"), path("other/Build.file"));
  REQUIRE(files);
  CHECK(files->dockerfile.name == "Build.file");
  CHECK(files->context.find("file"));
  CHECK(open_build(path("none"), {}).error().code == ErrorCode::kNotFound);
  CHECK(open_build(path("other"), {}).error().code == ErrorCode::kNotFound);
  CHECK(open_build(path("web/file"), path("other/Build.file")).error().code == ErrorCode::kNotFound);
}

TEST_CASE_METHOD(Here, "the Dockerfile's own .dockerignore comes before the context's") {
  write("Dockerfile", "FROM a\n");
  write("x", "");
  write("y", "");
  write(".dockerignore", "x\n");
  CHECK_FALSE(open_build(path(), {})->context.find("x"));
  write("Dockerfile.dockerignore", "y\n");
  CHECK(open_build(path(), {})->context.find("x"));
  CHECK_FALSE(open_build(path(), {})->context.find("y"));
}

TEST_CASE_METHOD(Here, "what is too large or no file is refused without being read") {
  write("Dockerfile", std::string(10 << 20, 'x'));
  CHECK(open_build(path(), {}).error().code == ErrorCode::kOutOfRange);
  CHECK(open_build("/dev/zero", {}).error().code == ErrorCode::kOutOfRange);
  write("d/Dockerfile", "FROM a\n");
  write("d/.dockerignore", std::string(2 << 20, '\n'));
  CHECK(open_build(path("d"), {}).error().code == ErrorCode::kOutOfRange);
}

TEST_CASE("an image is called after its Dockerfile or its folder, and never default") {
  CHECK(default_image_name("/x/Dockerfile", "/x") == "x");
  CHECK(default_image_name("/x/web.Dockerfile", "/x") == "web");
  CHECK(default_image_name("/x/Dockerfile.My_App", "/x") == "my-app");
  CHECK(default_image_name("/x/build.txt", "/a/B c!") == "b-c");
  CHECK(default_image_name("/default/Dockerfile", "/default") == "image");
  CHECK(default_image_name("/Dockerfile", "/") == "image");
  CHECK(default_image_name("/x/Dockerfile", "/" + std::string(200, 'a')).size() == 63);
}
