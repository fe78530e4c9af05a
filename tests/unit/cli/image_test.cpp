// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/cli/command_line.hpp"

using tl::cli::test::CommandLine;
using tl::cli::test::Leads;
using Json = nlohmann::json;

TEST_CASE("image register prints the image's name and nothing else in a pipe") {
  CommandLine tl;
  const auto outcome = tl({"sbx", "image", "register", "tools", "made"});
  REQUIRE(outcome.exit_code == 0);
  CHECK(outcome.out == "tools\n");
  CHECK(outcome.error.empty());
  CHECK(tl.state->last_registration->snapshot == "made");
  CHECK_FALSE(tl.state->last_registration->config);
}

TEST_CASE("image register says on a terminal what can be done with the image") {
  CommandLine tl;
  const auto outcome = tl({"sbx", "image", "register", "tools", "made"}, Leads::kToTerminals);
  CHECK(outcome.out.empty());
  CHECK(outcome.error.find("tl sbx create --image tools") != std::string::npos);
}

TEST_CASE("image register reports the image in the form of image ls") {
  CommandLine tl;
  const auto outcome = tl({"sbx", "image", "register", "tools", "made", "--json"});
  const Json json = Json::parse(outcome.out);
  CHECK(json["name"] == "tools");
  CHECK(json["size_bytes"] == 1 << 20);
  CHECK(json.size() == 5);
}

TEST_CASE("image register needs a name and a snapshot") {
  CommandLine tl;
  CHECK(tl({"sbx", "image", "register", "tools"}).exit_code == 2);
  CHECK_FALSE(tl.state->last_registration);
}

TEST_CASE("image export prints the path in a pipe, and what it made as JSON") {
  CommandLine tl;
  const auto outcome = tl({"sbx", "image", "export", "tools", "./out", "--tag", "1.2"});
  REQUIRE(outcome.exit_code == 0);
  CHECK(outcome.out == "./out\n");
  CHECK(outcome.error.empty());
  CHECK(tl.state->last_export->name == "tools");
  CHECK(tl.state->last_export->tag == "1.2");
  const Json json = Json::parse(tl({"sbx", "image", "export", "tools", "out.tar", "--json"}).out);
  CHECK(json ==
        Json{{"path", "out.tar"}, {"digest", "sha256:" + std::string(64, 'b')}, {"size_bytes", 4096}});
  CHECK(tl.state->last_export->tag == "latest");
}

TEST_CASE("A failure of image register or export is the exit code") {
  CommandLine tl;
  tl.state->image_error = tl::Error{tl::ErrorCode::kNotFound, "there is no such thing", ""};
  CHECK(tl({"sbx", "image", "register", "tools", "made"}).exit_code == 3);
  CHECK(tl({"sbx", "image", "export", "tools", "out"}).exit_code == 3);
}
