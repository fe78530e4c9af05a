// SPDX-License-Identifier: Apache-2.0
#include <csignal>

#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/cli/command_line.hpp"

using tl::cli::test::CommandLine;
using tl::cli::test::Leads;
using tl::registry::SandboxState;
using Json = nlohmann::json;

namespace {

const std::string kWeb = "aaaaaaaaaaaaaaaaaaaaa";
const std::string kNameless = "bbbbbbbbbbbbbbbbbbbbb";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A sandbox called web and one without a name.
CommandLine with_two(SandboxState of_web) {
  CommandLine tl;
  tl::registry::SandboxRecord web;
  web.sandbox_id = kWeb;
  web.name = "web";
  web.status = of_web;
  tl::registry::SandboxRecord nameless;
  nameless.sandbox_id = kNameless;
  nameless.status = SandboxState::kRunning;
  tl.state->records = {web, nameless};
  return tl;
}

}  // namespace

TEST_CASE("suspend and resume print the identifier and nothing else in a pipe") {
  CommandLine tl = with_two(SandboxState::kRunning);
  for (const auto* verb : {"suspend", "resume"}) {
    INFO(verb);
    const auto outcome = tl({"sbx", verb, "web"});
    REQUIRE(outcome.exit_code == 0);
    REQUIRE(outcome.out == kWeb + "\n");
    REQUIRE(outcome.error.empty());
    REQUIRE(tl.state->last_wait == tl::CreateWait::kReady);
  }
}

TEST_CASE("suspend says on a terminal how long it took and how to go on") {
  CommandLine tl = with_two(SandboxState::kRunning);
  const auto outcome = tl({"sbx", "suspend", kWeb}, Leads::kToTerminals);
  REQUIRE(outcome.out.empty());
  REQUIRE(contains(outcome.error, "Suspended sandbox web (0."));
  REQUIRE(contains(outcome.error, " s).\n"));
  REQUIRE(contains(outcome.error, "tl sbx resume web\n"));
}

TEST_CASE("resume says on a terminal how long it took") {
  CommandLine tl = with_two(SandboxState::kSuspended);
  const auto outcome = tl({"sbx", "resume", "web"}, Leads::kToTerminals);
  REQUIRE(outcome.out.empty());
  REQUIRE(contains(outcome.error, "starting the machine..."));
  REQUIRE(contains(outcome.error, "Resumed sandbox web (0."));
  REQUIRE(tl.state->records[0].status == SandboxState::kRunning);
}

TEST_CASE("suspend and resume that are only begun say so") {
  CommandLine tl = with_two(SandboxState::kRunning);
  REQUIRE(contains(tl({"sbx", "suspend", "web", "-n"}, Leads::kToTerminals).error,
                   "Sandbox web is being suspended.\n"));
  REQUIRE(tl.state->last_wait == tl::CreateWait::kNoWait);
  tl.state->records[0].status = SandboxState::kPending;
  REQUIRE(contains(tl({"sbx", "resume", "--no-wait", "web"}, Leads::kToTerminals).error,
                   "Sandbox web is being resumed.\n"));
  REQUIRE(tl({"sbx", "resume", "-n", "web"}).out == kWeb + "\n");
}

TEST_CASE("resume warns when the memory was lost, and has succeeded") {
  CommandLine tl = with_two(SandboxState::kSuspended);
  tl.state->memory_lost = "its monitor died\033[31m";
  for (const auto leads : {Leads::kToPipes, Leads::kToTerminals}) {
    const auto outcome = tl({"sbx", "resume", "web"}, leads);
    REQUIRE(outcome.exit_code == 0);
    REQUIRE(contains(outcome.error, "Warning: the processes of sandbox web are gone"));
    REQUIRE(contains(outcome.error, "its monitor died?[31m\n"));
  }
}

TEST_CASE("suspending a sandbox without a name is a conflict with its cure") {
  CommandLine tl = with_two(SandboxState::kRunning);
  const auto outcome = tl({"sbx", "suspend", kNameless});
  REQUIRE(outcome.exit_code == 4);
  REQUIRE(outcome.out.empty());
  REQUIRE(contains(outcome.error, "hint: use 'tl sbx name'\n"));
}

TEST_CASE("every verb of the life cycle fails with the exit code of the error") {
  CommandLine tl = with_two(SandboxState::kRunning);
  for (const auto* verb : {"suspend", "resume", "checkpoint", "copy"}) {
    INFO(verb);
    REQUIRE(tl({"sbx", verb, "nobody"}).exit_code == 3);
    REQUIRE(tl({"sbx", verb}).exit_code == 2);
  }
  tl.state->life_cycle_error = tl::Error{tl::ErrorCode::kConflict, "web is Terminated", "make another"};
  for (const auto* verb : {"suspend", "resume", "checkpoint", "copy"}) {
    INFO(verb);
    const auto outcome = tl({"sbx", verb, "web"});
    REQUIRE(outcome.exit_code == 4);
    REQUIRE(outcome.out.empty());
    REQUIRE(outcome.error == "Error: web is Terminated\nhint: make another\n");
  }
  tl.state->life_cycle_error = tl::Error{tl::ErrorCode::kHostLacks, "no space", {}};
  REQUIRE(tl({"sbx", "suspend", "web"}).exit_code == 6);
  REQUIRE(tl({"sbx", "prune"}).exit_code == 6);
}

TEST_CASE("an interrupted resume or copy ends as the signal would have ended it") {
  CommandLine tl = with_two(SandboxState::kSuspended);
  tl.state->while_busy = [] { std::raise(SIGTERM); };
  tl.state->life_cycle_error = tl::Error{tl::ErrorCode::kFailure, "given up", {}};
  REQUIRE(tl({"sbx", "resume", "web"}).exit_code == 128 + SIGTERM);
  REQUIRE(tl({"sbx", "copy", "web"}).exit_code == 128 + SIGTERM);
}

TEST_CASE("exec says on a terminal, once, that it resumes a suspended sandbox") {
  CommandLine tl = with_two(SandboxState::kSuspended);
  const auto resuming = tl({"sbx", "exec", "web", "x"}, Leads::kToTerminals);
  REQUIRE(resuming.exit_code == 0);
  REQUIRE(resuming.error == "Resuming sandbox web...\n");
  REQUIRE(tl({"sbx", "exec", "web", "x"}, Leads::kToTerminals).error.empty());
  tl.state->records[0].status = SandboxState::kSuspended;
  REQUIRE(tl({"sbx", "exec", "web", "x"}).error.empty());
}

TEST_CASE("ls shows suspended sandboxes, and only them when asked to") {
  CommandLine tl = with_two(SandboxState::kSuspended);
  REQUIRE(contains(tl({"sbx", "ls"}).out, kWeb + "\tweb\tSuspended\t"));
  REQUIRE(tl({"sbx", "ls", "-sq"}).out == kWeb + "\n");
  REQUIRE(tl({"sbx", "ls", "-rq"}).out == kNameless + "\n");
  REQUIRE(Json::parse(tl({"sbx", "ls", "-s", "--json"}).out)[0]["status"] == "suspended");
}

TEST_CASE("describe shows what a sandbox was made from, its timeouts and why its memory is gone") {
  CommandLine tl = with_two(SandboxState::kSuspended);
  auto& web = tl.state->records[0];
  web.snapshot_id = "snapshot0000000000100";
  web.timeout_secs = 600;
  web.idle_timeout_secs = 60;
  web.reason = "memory lost";
  const auto text = tl({"sbx", "describe", "web"}).out;
  REQUIRE(contains(text, "Status:          Suspended\n"));
  REQUIRE(contains(text, "Snapshot:        snapshot0000000000100\n"));
  REQUIRE(contains(text, "Timeout:         600s\nIdle timeout:    60s\n"));
  REQUIRE(contains(text, "Reason:          memory lost\n"));
  const auto json = Json::parse(tl({"sbx", "describe", "web", "--json"}).out);
  REQUIRE(json["snapshot_id"] == "snapshot0000000000100");
  REQUIRE(json["idle_timeout_secs"] == 60);
  REQUIRE(json["reason"] == "memory lost");
}

TEST_CASE("copy prints an identifier a line in a pipe and one line on a terminal") {
  CommandLine tl = with_two(SandboxState::kRunning);
  REQUIRE(tl({"sbx", "copy", kNameless}).out == "copy00000000000000101\n");
  REQUIRE(tl.state->last_copy->copies == 1);
  REQUIRE(tl.state->last_copy->signals != -1);
  REQUIRE(tl({"sbx", "copy", "web", "-n", "2"}).out == "copy00000000000000101\ncopy00000000000000102\n");
  REQUIRE(tl({"sbx", "copy", "-n", "2", "web"}, Leads::kToTerminals).out ==
          "Created sandboxes: web-copy-1, web-copy-2\n");
}

TEST_CASE("copy prints JSON and passes warnings on") {
  CommandLine tl = with_two(SandboxState::kRunning);
  tl.state->warnings = {"this machine has 2 CPUs"};
  const auto outcome = tl({"sbx", "copy", "web", "--json", "-n2"});
  REQUIRE(outcome.error == "Warning: this machine has 2 CPUs\nWarning: this machine has 2 CPUs\n");
  const auto json = Json::parse(outcome.out);
  REQUIRE(json.size() == 2);
  REQUIRE(json[1]["name"] == "web-copy-2");
  REQUIRE(json[1]["status"] == "running");
}

TEST_CASE("prune says what it removed") {
  CommandLine tl;
  REQUIRE(tl({"sbx", "prune"}, Leads::kToTerminals).error == "There was nothing to remove.\n");
  tl.state->pruned = {.records = 3, .templates = 1, .layers = 2, .leftovers = 0};
  const auto outcome = tl({"sbx", "prune"}, Leads::kToTerminals);
  REQUIRE(outcome.out.empty());
  REQUIRE(outcome.error ==
          "Removed 3 terminated sandbox records, 1 template, 2 fetched layers and 0 leftovers.\n");
  REQUIRE(tl({"sbx", "prune"}).out == "Removed\tCount\nrecords\t3\ntemplates\t1\nlayers\t2\nleftovers\t0\n");
  REQUIRE(Json::parse(tl({"sbx", "prune", "--json"}).out) ==
          Json{{"records", 3}, {"templates", 1}, {"layers", 2}, {"leftovers", 0}});
}
