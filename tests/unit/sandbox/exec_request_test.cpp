// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/exec_request.hpp"

#include "tests/support/catch.hpp"

using tl::entrypoint_request;
using tl::exec_request;
using tl::ExecOptions;
using tl::storage::ImageConfig;
using Words = std::vector<std::string>;

namespace {

ImageConfig server_image() {
  ImageConfig image;
  image.env = {"PATH=/bin", "LANG=C.UTF-8"};
  image.working_dir = "/srv";
  image.user = "www";
  image.entrypoint = {"/entry.sh"};
  image.cmd = {"serve", "--all"};
  return image;
}

}  // namespace

TEST_CASE("a command has what its image says, and what it was given on top of that") {
  ExecOptions options;
  options.command = {"env"};
  options.environment = {{"LANG", "C"}};
  auto request = exec_request(options, server_image());
  REQUIRE(request);
  CHECK(request->argv == Words{"env"});
  CHECK(request->working_directory == "/srv");
  CHECK(request->user == "www");
  REQUIRE(request->environment.size() == 3);
  CHECK(request->environment.back() == std::pair<std::string, std::string>("LANG", "C"));
  options.start_folder = tl::StartFolder::kHome;
  options.user = "root";
  request = exec_request(options, server_image());
  CHECK(request->working_directory.empty());
  CHECK(request->user == "root");
}

TEST_CASE("without a command it is the image's entrypoint with its arguments") {
  CHECK(exec_request({}, server_image())->argv == Words{"/entry.sh", "serve", "--all"});
  const auto none = exec_request({}, ImageConfig{});
  REQUIRE_FALSE(none);
  CHECK(none.error().code == tl::ErrorCode::kOutOfRange);
  CHECK(none.error().hint == "the image has none of its own: name one");
}

TEST_CASE("an image's shell is run only for somebody who talks to it") {
  ImageConfig image;
  image.cmd = {"/bin/bash"};
  REQUIRE_FALSE(exec_request({}, image));
  ExecOptions options;
  options.stdin_mode = tl::StdinMode::kForward;
  CHECK(exec_request(options, image)->argv == Words{"/bin/bash"});
  options = {};
  options.terminal = tl::TerminalUse::kInside;
  CHECK(exec_request(options, image));
}

TEST_CASE("a sandbox begins with its own entrypoint, else the image's") {
  auto request = entrypoint_request({"sleep", "1"}, server_image());
  REQUIRE((request && *request));
  CHECK((*request)->argv == Words{"sleep", "1"});
  CHECK((*request)->working_directory == "/srv");
  REQUIRE((*request)->detach);
  CHECK((*request)->detach->name == "entrypoint");
  CHECK((*request)->detach->restart == tl::guest::Detachment::Restart::kNever);
  CHECK_FALSE((*request)->stdin_stream);
  request = entrypoint_request({}, server_image());
  REQUIRE((request && *request));
  CHECK((*request)->argv == Words{"/entry.sh", "serve", "--all"});
}

TEST_CASE("a sandbox of an image with nothing to start, or a mere shell, begins with nothing") {
  ImageConfig image;
  CHECK_FALSE(*entrypoint_request({}, image));
  for (const char* shell : {"bash", "/bin/sh", "/usr/bin/zsh"}) {
    image.cmd = {shell};
    CHECK_FALSE(*entrypoint_request({}, image));
  }
  image.cmd = {"sh", "-c", "serve"};
  CHECK(*entrypoint_request({}, image));
  CHECK(*entrypoint_request({"sh"}, ImageConfig{}));  // somebody asked for it
}

TEST_CASE("an image whose environment is malformed starts nothing, and says so") {
  ImageConfig image = server_image();
  image.env = {"no assignment"};
  const auto request = entrypoint_request({}, image);
  REQUIRE_FALSE(request);
  CHECK(request.error().message.find("environment of the image") != std::string::npos);
}
