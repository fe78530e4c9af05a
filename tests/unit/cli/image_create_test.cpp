// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/build/folder.hpp"
#include "tests/unit/cli/command_line.hpp"

using namespace tl;
using cli::test::CommandLine;
using cli::test::Leads;
using Words = std::vector<std::string>;

namespace {

struct Web : build::test::Folder {
  Web() {
    tl.state->images.push_back({"default", "sha256:" + std::string(64, '0'), 1, {}, ""});
    write("web/Dockerfile", "ARG A=a\nFROM default\nARG A\nRUN make $A\n");
  }
  cli::test::Outcome create(const Words& words, Leads leads = Leads::kToPipes) {
    Words all = {"sbx", "image", "create"};
    all.insert(all.end(), words.begin(), words.end());
    return tl(all, leads);
  }

  CommandLine tl;
};

}  // namespace

TEST_CASE_METHOD(Web, "image create prints the name in a pipe, and what happens on stderr") {
  const auto outcome = create({path("web/Dockerfile")});
  REQUIRE(outcome.exit_code == 0);
  CHECK(outcome.out == "web\n");
  CHECK(outcome.error == "[1/3] FROM default\n[2/3] ARG A\n[3/3] RUN make $A\nSaving the image web\n");
  CHECK(tl.state->last_registration->name == "web");
}

TEST_CASE_METHOD(Web, "image create says on a terminal what can be done with the image") {
  const auto outcome = create({path("web")}, Leads::kToTerminals);
  CHECK(outcome.out.empty());
  CHECK(outcome.error.find("tl sbx create --image web") != std::string::npos);
}

TEST_CASE_METHOD(Web, "image create takes a name, arguments, resources and a network policy") {
  const auto outcome = create({path("web"), "-n", "other", "--build-arg", "A=b=c", "--cpus", "2", "--memory",
                               "4096", "--disk_mb", "20480", "-N", "--json"});
  REQUIRE(outcome.exit_code == 0);
  CHECK(nlohmann::json::parse(outcome.out)["name"] == "other");
  CHECK(tl.state->last_create->cpus == 2.0);
  CHECK(tl.state->last_create->memory_mb == 4096U);
  CHECK(tl.state->last_create->disk_mb == 20480U);
  CHECK(tl.state->last_create->network.no_internet);
  CHECK(tl.state->last_create->lifetime == SandboxLifetime::kCreators);
  const auto& environment = tl.state->last_exec->environment;
  CHECK(std::find(environment.begin(), environment.end(), std::pair<std::string, std::string>("A", "b=c")) !=
        environment.end());
}

TEST_CASE_METHOD(Web, "a failure of image create is the exit code, and names the line") {
  tl.state->program = [](const ExecOptions&) { return ExecOutcome{2}; };
  const auto outcome = create({path("web")});
  CHECK(outcome.exit_code == 1);
  CHECK(outcome.out.empty());
  CHECK(outcome.error.ends_with("Error: Dockerfile:4: RUN make $A: exit code 2\n"));
  CHECK(create({path("none")}).exit_code == 3);
  CHECK(create({path("web"), "--target", "none"}).exit_code == 5);
  CHECK(create({path("web"), "--build-arg", "A"}).exit_code == 5);
  CHECK(create({}).exit_code == 2);
}

TEST_CASE_METHOD(Web, "image create --keep leaves the sandbox that failed, and says which") {
  tl.state->program = [](const ExecOptions&) { return ExecOutcome{2}; };
  const auto outcome = create({"--keep", path("web")});
  CHECK(outcome.exit_code == 1);
  REQUIRE(tl.state->records.size() == 1);
  CHECK(tl.state->records[0].status == registry::SandboxState::kRunning);
  CHECK(outcome.error.find("Sandbox " + tl.state->records[0].sandbox_id + " kept alive") !=
        std::string::npos);
}
