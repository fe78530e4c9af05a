// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/cli/command_line.hpp"

using namespace std::chrono_literals;
using tl::cli::test::CommandLine;
using tl::cli::test::Leads;
using tl::cli::test::present;
using tl::snapshot::SnapshotManifest;
using Json = nlohmann::json;

namespace {

const std::string kWarm = "wwwwwwwwwwwwwwwwwwwww";
const std::string kDisk = "ddddddddddddddddddddd";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

SnapshotManifest snapshot(const std::string& id, SnapshotManifest::Type type) {
  SnapshotManifest made;
  made.snapshot_id = id;
  made.type = type;
  made.sandbox_id = "aaaaaaaaaaaaaaaaaaaaa";
  made.image = "default";
  made.cpus = 1.5;
  made.memory_mb = 2048;
  made.disk_mb = 10240;
  made.created_at = present() - 5min;
  made.size_bytes = 3u << 20;
  return made;
}

// A sandbox called web, a memory snapshot called warm and a nameless filesystem snapshot.
CommandLine with_snapshots() {
  CommandLine tl;
  tl({"sbx", "create", "web"});
  tl.state->snapshots = {snapshot(kWarm, SnapshotManifest::Type::kMemory),
                         snapshot(kDisk, SnapshotManifest::Type::kFilesystem)};
  tl.state->snapshots[0].name = "warm";
  tl.state->snapshots[0].sandbox_name = "web";
  tl.state->snapshots[0].accelerator = "kvm";
  return tl;
}

constexpr const char* kHeading = "ID\tStatus\tType\tSandbox ID\tBase Image\tSize\tCreated At\n";

}  // namespace

TEST_CASE("checkpoint prints the snapshot's identifier and nothing else in a pipe") {
  CommandLine tl = with_snapshots();
  const auto outcome = tl({"sbx", "checkpoint", "web"});
  REQUIRE(outcome.exit_code == 0);
  REQUIRE(outcome.out == tl.state->snapshots.front().snapshot_id + "\n");
  REQUIRE(outcome.error.empty());
  REQUIRE(tl.state->last_checkpoint->type == tl::CheckpointType::kFilesystem);
  REQUIRE(tl.state->last_checkpoint->limit == 600s);
  REQUIRE_FALSE(tl.state->last_checkpoint->name);
}

TEST_CASE("every flag of checkpoint reaches the runtime") {
  CommandLine tl = with_snapshots();
  REQUIRE(tl({"sbx", "snapshot", "--checkpoint-type=memory", "web", "-t", "2.5", "--name", "n"}).exit_code ==
          0);
  REQUIRE(tl.state->last_checkpoint->type == tl::CheckpointType::kMemory);
  REQUIRE(tl.state->last_checkpoint->limit == 2500ms);
  REQUIRE(tl.state->last_checkpoint->name == "n");
}

TEST_CASE("checkpoint says on a terminal what can be done next") {
  CommandLine tl = with_snapshots();
  const auto outcome = tl({"sbx", "checkpoint", "web"}, Leads::kToTerminals);
  const std::string id = tl.state->snapshots.front().snapshot_id;
  REQUIRE(outcome.out.empty());
  REQUIRE(contains(outcome.error, "Created snapshot " + id + " of sandbox web (0."));
  REQUIRE(contains(outcome.error, "tl sbx create --snapshot " + id + "\n"));
  REQUIRE(contains(tl({"sbx", "checkpoint", "web", "--name", "x"}, Leads::kToTerminals).error,
                   "tl sbx create --snapshot x\n"));
}

TEST_CASE("checkpoint prints JSON with the documented fields") {
  CommandLine tl = with_snapshots();
  const auto json = Json::parse(tl({"sbx", "checkpoint", "web", "--json", "--name", "n"}).out);
  REQUIRE(json["name"] == "n");
  REQUIRE(json["status"] == "completed");
  REQUIRE(json["type"] == "filesystem");
  REQUIRE(json["sandbox_name"] == "web");
}

TEST_CASE("checkpoint ls separates by tabs in a pipe") {
  CommandLine tl = with_snapshots();
  REQUIRE(tl({"sbx", "checkpoint", "ls"}).out ==
          std::string(kHeading) + kWarm +
              "\tcompleted\tmemory\taaaaaaaaaaaaaaaaaaaaa\tdefault\t3.0 MiB\t5 min ago\n" + kDisk +
              "\tcompleted\tfilesystem\taaaaaaaaaaaaaaaaaaaaa\tdefault\t3.0 MiB\t5 min ago\n");
  REQUIRE(tl({"sbx", "checkpoint", "list", "-q"}).out == kWarm + "\n" + kDisk + "\n");
}

TEST_CASE("checkpoint ls aligns, counts and shows names on a terminal") {
  CommandLine tl = with_snapshots();
  REQUIRE(
      tl({"sbx", "checkpoint", "ls"}, Leads::kToTerminals).out ==
      "ID                     Status     Type        Sandbox ID             Base Image  Size     Created At  "
      "Name\n" +
          kWarm + "  completed  memory      aaaaaaaaaaaaaaaaaaaaa  default     3.0 MiB  5 min ago   warm\n" +
          kDisk + "  completed  filesystem  aaaaaaaaaaaaaaaaaaaaa  default     3.0 MiB  5 min ago   \n" +
          "2 snapshots\n");
  tl.state->snapshots.erase(tl.state->snapshots.begin());
  const auto nameless = tl({"sbx", "checkpoint", "ls"}, Leads::kToTerminals).out;
  REQUIRE(contains(nameless, "Created At\n"));
  REQUIRE(contains(nameless, "\n1 snapshot\n"));
}

TEST_CASE("checkpoint ls of nothing says so on a terminal only") {
  CommandLine tl;
  REQUIRE(tl({"sbx", "checkpoint", "ls"}, Leads::kToTerminals).out == "No snapshots found.\n");
  REQUIRE(tl({"sbx", "checkpoint", "ls"}).out == kHeading);
  REQUIRE(tl({"sbx", "checkpoint", "ls", "-q"}).out.empty());
  REQUIRE(tl({"sbx", "checkpoint", "ls", "--json"}).out == "[]\n");
}

TEST_CASE("checkpoint ls prints JSON with the documented fields") {
  CommandLine tl = with_snapshots();
  const auto list = Json::parse(tl({"sbx", "checkpoint", "ls", "--json"}).out);
  REQUIRE(list[0] == Json{{"snapshot_id", kWarm},
                          {"name", "warm"},
                          {"status", "completed"},
                          {"type", "memory"},
                          {"sandbox_id", "aaaaaaaaaaaaaaaaaaaaa"},
                          {"sandbox_name", "web"},
                          {"image", "default"},
                          {"resources", {{"cpus", 1.5}, {"memory_mb", 2048}, {"disk_mb", 10240}}},
                          {"size_bytes", 3 << 20},
                          {"created_at", "2026-11-23T17:15:00.000Z"},
                          {"accelerator", "kvm"}});
  REQUIRE(list[1]["name"].is_null());
  REQUIRE(list[1]["sandbox_name"].is_null());
  REQUIRE(list[1]["accelerator"].is_null());
}

TEST_CASE("checkpoint ls shows hostile texts without their control characters") {
  CommandLine tl = with_snapshots();
  tl.state->snapshots[0].image = "a\tb\n\033[31m";
  tl.state->snapshots[0].name = "n\033]0;x\a";
  tl.state->snapshot_problems = {"snapshot x\033[2J: not JSON"};
  const auto pipe = tl({"sbx", "checkpoint", "ls"});
  REQUIRE(pipe.exit_code == 0);
  REQUIRE(contains(pipe.out, "\ta?b??[31m\t"));
  REQUIRE(pipe.error == "Warning: snapshot x?[2J: not JSON\n");
  REQUIRE(contains(tl({"sbx", "checkpoint", "ls"}, Leads::kToTerminals).out, "  n?]0;x?\n"));
}

TEST_CASE("checkpoint rm goes on after a failure and exits with the first code") {
  CommandLine tl = with_snapshots();
  tl({"sbx", "create", "user"});
  tl.state->records[0].snapshot_id = kDisk;
  const auto outcome = tl({"sbx", "checkpoint", "rm", kDisk, "nothing", "warm"});
  REQUIRE(outcome.exit_code == 4);
  REQUIRE(outcome.out == kWarm + "\n");
  REQUIRE(contains(outcome.error, "is in use\nhint: by "));
  REQUIRE(contains(outcome.error, "no snapshot 'nothing'"));
  REQUIRE(tl({"sbx", "checkpoint", "delete", "nothing", kDisk}).exit_code == 3);
}

TEST_CASE("checkpoint rm tells on a terminal what it removed") {
  CommandLine tl = with_snapshots();
  const auto outcome = tl({"sbx", "snapshot", "delete", "warm", kDisk}, Leads::kToTerminals);
  REQUIRE(outcome.out.empty());
  REQUIRE(outcome.error == "Removed snapshot warm.\nRemoved snapshot " + kDisk + ".\n");
  REQUIRE(tl.state->snapshots.empty());
}
