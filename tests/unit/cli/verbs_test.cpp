// SPDX-License-Identifier: Apache-2.0
#include <csignal>

#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/cli/command_line.hpp"

using namespace std::chrono_literals;
using tl::cli::test::CommandLine;
using tl::cli::test::Leads;
using tl::cli::test::present;
using tl::registry::SandboxState;
using Json = nlohmann::json;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

tl::registry::SandboxRecord record(const std::string& id, std::optional<std::string> name,
                                   SandboxState status) {
  tl::registry::SandboxRecord made;
  made.sandbox_id = id;
  made.name = std::move(name);
  made.status = status;
  made.image = "default";
  made.created_at = present() - 5min;
  return made;
}

CommandLine with_three() {
  CommandLine tl;
  tl.state->records = {record("aaaaaaaaaaaaaaaaaaaaa", "web", SandboxState::kRunning),
                       record("bbbbbbbbbbbbbbbbbbbbb", std::nullopt, SandboxState::kPending),
                       record("ccccccccccccccccccccc", "old", SandboxState::kTerminated)};
  return tl;
}

}  // namespace

TEST_CASE("create prints the identifier and nothing else in a pipe") {
  CommandLine tl;
  const auto outcome = tl({"sbx", "create", "web"});
  REQUIRE(outcome.exit_code == 0);
  REQUIRE(outcome.out == tl.state->records.front().sandbox_id + "\n");
  REQUIRE(outcome.error.empty());
}

TEST_CASE("create says on a terminal what can be done next") {
  CommandLine tl;
  const auto named = tl({"sbx", "create", "web"}, Leads::kToTerminals);
  REQUIRE(named.out.empty());
  REQUIRE(contains(named.error, "Sandbox web is ready ("));
  REQUIRE(contains(named.error, "ID: " + tl.state->records.front().sandbox_id));
  REQUIRE(contains(named.error, "tl sbx exec web -- "));
  REQUIRE_FALSE(contains(named.error, "tl sbx name"));
  REQUIRE(contains(tl({"sbx", "create"}, Leads::kToTerminals).error, "tl sbx name sandbox"));
  REQUIRE(contains(tl({"sbx", "create", "-n"}, Leads::kToTerminals).error, "is starting."));
}

TEST_CASE("create passes warnings on") {
  CommandLine tl;
  tl.state->warnings = {"this machine has 2 CPUs"};
  REQUIRE(tl({"sbx", "create"}).error == "Warning: this machine has 2 CPUs\n");
}

TEST_CASE("a create that fails says why and how to cure it") {
  CommandLine tl;
  tl.state->create_error = tl::Error{tl::ErrorCode::kHostLacks, "create: no kernel", "run './dev setup'"};
  const auto outcome = tl({"sbx", "create"});
  REQUIRE(outcome.exit_code == 6);
  REQUIRE(outcome.out.empty());
  REQUIRE(outcome.error == "Error: create: no kernel\nhint: run './dev setup'\n");
}

TEST_CASE("errors have the exit code of their kind") {
  CommandLine tl;
  using tl::ErrorCode;
  for (const auto& [code, exit_code] : std::vector<std::pair<ErrorCode, int>>{{ErrorCode::kFailure, 1},
                                                                              {ErrorCode::kNotFound, 3},
                                                                              {ErrorCode::kConflict, 4},
                                                                              {ErrorCode::kOutOfRange, 5},
                                                                              {ErrorCode::kHostLacks, 6}}) {
    tl.state->create_error = tl::Error{code, "why", {}};
    REQUIRE(tl({"sbx", "create"}).exit_code == exit_code);
    REQUIRE(tl({"sbx", "run", "true"}).exit_code == 125);
  }
}

TEST_CASE("ls separates by tabs in a pipe") {
  CommandLine tl = with_three();
  const auto outcome = tl({"sbx", "ls"});
  REQUIRE(outcome.out ==
          "ID\tName\tStatus\tImage\tCPUs\tMemory\tDisk\tCreated At\n"
          "aaaaaaaaaaaaaaaaaaaaa\tweb\tRunning\tdefault\t1\t1024 MB\t10240 MB\t5 min ago\n"
          "bbbbbbbbbbbbbbbbbbbbb\t\tPending\tdefault\t1\t1024 MB\t10240 MB\t5 min ago\n");
}

TEST_CASE("ls aligns and counts on a terminal") {
  CommandLine tl = with_three();
  const auto outcome = tl({"sbx", "ls"}, Leads::kToTerminals);
  REQUIRE(outcome.out ==
          "ID                     Name  Status   Image    CPUs  Memory   Disk      Created At\n"
          "aaaaaaaaaaaaaaaaaaaaa  web   Running  default  1     1024 MB  10240 MB  5 min ago\n"
          "bbbbbbbbbbbbbbbbbbbbb        Pending  default  1     1024 MB  10240 MB  5 min ago\n"
          "2 sandboxes, 1 terminated hidden (use --all to show)\n");
  REQUIRE(contains(tl({"sbx", "ls", "-r"}, Leads::kToTerminals).out, "\n1 sandbox, 1 terminated hidden"));
  REQUIRE(contains(tl({"sbx", "ls", "--all"}, Leads::kToTerminals).out, "\n3 sandboxes\n"));
}

TEST_CASE("ls of nothing says so on a terminal only") {
  CommandLine tl;
  REQUIRE(tl({"sbx", "ls"}, Leads::kToTerminals).out == "No sandboxes found.\n");
  REQUIRE(tl({"sbx", "ls"}).out == "ID\tName\tStatus\tImage\tCPUs\tMemory\tDisk\tCreated At\n");
  REQUIRE(tl({"sbx", "ls", "-q"}).out.empty());
  REQUIRE(tl({"sbx", "ls", "--json"}).out == "[]\n");
}

TEST_CASE("ls prints identifiers only when asked to be quiet") {
  CommandLine tl = with_three();
  REQUIRE(tl({"sbx", "ls", "-q"}).out == "aaaaaaaaaaaaaaaaaaaaa\nbbbbbbbbbbbbbbbbbbbbb\n");
  REQUIRE(tl({"sbx", "ls", "-aq"}, Leads::kToTerminals).out ==
          "aaaaaaaaaaaaaaaaaaaaa\nbbbbbbbbbbbbbbbbbbbbb\nccccccccccccccccccccc\n");
}

TEST_CASE("ls reports damaged records without failing") {
  CommandLine tl = with_three();
  tl.state->damaged = {{"/state/damaged/x.json", "not JSON"}};
  const auto outcome = tl({"sbx", "ls", "-q"});
  REQUIRE(outcome.exit_code == 0);
  REQUIRE(contains(outcome.error, "/state/damaged/x.json"));
}

TEST_CASE("control characters of the outside do not reach the terminal") {
  CommandLine tl = with_three();
  tl.state->records[0].image = "a\tb\n\033[31m";
  REQUIRE(contains(tl({"sbx", "ls"}).out, "a?b??[31m"));
  tl.state->records[0].reason = "panic\033]0;x\a";
  REQUIRE(contains(tl({"sbx", "describe", "web"}).out, "panic?]0;x?"));
}

TEST_CASE("JSON has the documented fields") {
  CommandLine tl = with_three();
  const auto list = Json::parse(tl({"sbx", "ls", "--all", "--json"}).out);
  REQUIRE(list.size() == 3);
  REQUIRE(list[0]["sandbox_id"] == "aaaaaaaaaaaaaaaaaaaaa");
  REQUIRE(list[0]["name"] == "web");
  REQUIRE(list[1]["name"].is_null());
  REQUIRE(list[2]["status"] == "terminated");
  REQUIRE(list[0]["image"] == "default");
  REQUIRE(list[0]["resources"] == Json{{"cpus", 1.0}, {"memory_mb", 1024}, {"disk_mb", 10240}});
  REQUIRE(list[0]["timeout_secs"] == 0);
  REQUIRE(list[0]["created_at"] == "2026-11-23T17:15:00.000Z");
  REQUIRE_FALSE(list[0].contains("live"));

  const auto one = Json::parse(tl({"sbx", "describe", "web", "--json"}).out);
  REQUIRE(one["live"]["memory_used_bytes"] == 3 << 20);
  REQUIRE(one["live"]["timeout_in_secs"].is_null());
}

TEST_CASE("JSON replaces bytes that are not UTF-8") {
  CommandLine tl = with_three();
  tl.state->records[0].entrypoint = {"\xFF"};
  REQUIRE(Json::parse(tl({"sbx", "describe", "web", "--json"}).out)["entrypoint"][0] == "\xEF\xBF\xBD");
}

TEST_CASE("describe shows everything in lines of label and value") {
  CommandLine tl = with_three();
  tl.state->records[0].ended_at = present() - 1h;
  tl.state->records[0].reason = "timeout";
  const auto outcome = tl({"sbx", "info", "web"});
  REQUIRE(contains(outcome.out, "ID:              aaaaaaaaaaaaaaaaaaaaa\nName:            web\n"));
  REQUIRE(contains(outcome.out, "Memory used:     3.0 MiB\n"));
  REQUIRE(contains(outcome.out, "Terminated:      1 hr ago\nReason:          timeout\n"));
  REQUIRE(tl({"sbx", "describe", "nobody"}).exit_code == 3);
}

TEST_CASE("name prints the new name in a pipe and a sentence on a terminal") {
  CommandLine tl = with_three();
  REQUIRE(tl({"sbx", "name", "web", "web2"}).out == "web2\n");
  const auto outcome = tl({"sbx", "name", "web2", "web3"}, Leads::kToTerminals);
  REQUIRE(outcome.out.empty());
  REQUIRE(outcome.error == "Sandbox web2 is now named web3.\n");
  REQUIRE(tl({"sbx", "name", "bbbbbbbbbbbbbbbbbbbbb", "web3"}).exit_code == 4);
}

TEST_CASE("terminate goes on after a failure and exits with the first code") {
  CommandLine tl = with_three();
  const auto outcome = tl({"sbx", "stop", "nobody", "web", "nobody2", "bbbbbbbbbbbbbbbbbbbbb"});
  REQUIRE(outcome.exit_code == 3);
  REQUIRE(outcome.out == "aaaaaaaaaaaaaaaaaaaaa\nbbbbbbbbbbbbbbbbbbbbb\n");
  REQUIRE(contains(outcome.error, "no sandbox 'nobody'"));
  REQUIRE(contains(outcome.error, "no sandbox 'nobody2'"));
}

TEST_CASE("brackets do not make several sandboxes of one word") {
  CommandLine tl = with_three();
  REQUIRE(tl({"sbx", "terminate", "[web,bbbbbbbbbbbbbbbbbbbbb]"}).exit_code == 2);
  REQUIRE(tl.state->records[0].status == SandboxState::kRunning);
}

TEST_CASE("exec has the exit code of the command and says why it did not start") {
  CommandLine tl = with_three();
  tl.state->program = [](const tl::ExecOptions&) { return tl::ExecOutcome{.exit_code = 77}; };
  REQUIRE(tl({"sbx", "exec", "web", "x"}).exit_code == 77);
  tl.state->program = [](const tl::ExecOptions&) { return tl::ExecOutcome{127, "exec x: No such file"}; };
  const auto outcome = tl({"sbx", "exec", "web", "x"});
  REQUIRE(outcome.exit_code == 127);
  REQUIRE(outcome.error == "Error: exec x: No such file\n");
}

TEST_CASE("signals during exec are passed on as bytes") {
  CommandLine tl = with_three();
  tl.state->program = [](const tl::ExecOptions& options) {
    std::raise(SIGTERM);
    char byte = 0;
    return tl::ExecOutcome{.exit_code = ::read(options.signals, &byte, 1) == 1 ? byte : -1};
  };
  REQUIRE(tl({"sbx", "exec", "web", "x"}).exit_code == SIGTERM);
}

TEST_CASE("signals that are ignored stay ignored") {
  CommandLine tl = with_three();
  std::signal(SIGHUP, SIG_IGN);
  tl.state->program = [](const tl::ExecOptions& options) {
    std::raise(SIGHUP);
    char byte = 0;
    return tl::ExecOutcome{.exit_code = ::read(options.signals, &byte, 1) == 1 ? 1 : 0};
  };
  REQUIRE(tl({"sbx", "exec", "web", "x"}).exit_code == 0);
  REQUIRE(std::signal(SIGHUP, SIG_DFL) == SIG_IGN);
}

TEST_CASE("run terminates its sandbox and has the exit code of the command") {
  CommandLine tl;
  tl.state->program = [](const tl::ExecOptions&) { return tl::ExecOutcome{.exit_code = 9}; };
  const auto outcome = tl({"sbx", "run", "x"});
  REQUIRE(outcome.exit_code == 9);
  REQUIRE(outcome.out.empty());
  REQUIRE(tl.state->records.front().status == SandboxState::kTerminated);
  REQUIRE_FALSE(tl.state->last_create->name);
  REQUIRE(tl.state->last_create->lifetime == tl::SandboxLifetime::kCreators);
}

TEST_CASE("run keeps its sandbox when asked to") {
  CommandLine tl;
  const auto outcome = tl({"sbx", "run", "--keep", "x"});
  REQUIRE(tl.state->records.front().status == SandboxState::kRunning);
  REQUIRE(tl.state->last_create->lifetime == tl::SandboxLifetime::kOwn);
  REQUIRE(outcome.error == "Sandbox " + tl.state->records.front().sandbox_id + " kept alive.\n");
}

TEST_CASE("an interrupted run leaves nothing behind") {
  CommandLine tl;
  tl.state->while_creating = [] { std::raise(SIGINT); };
  REQUIRE(tl({"sbx", "run", "x"}).exit_code == 130);
  REQUIRE(tl.state->records.front().status == SandboxState::kTerminated);
  REQUIRE_FALSE(tl.state->last_exec);

  tl.state->create_error = tl::Error{tl::ErrorCode::kFailure, "create: given up", {}};
  REQUIRE(tl({"sbx", "run", "x"}).exit_code == 130);
  REQUIRE(tl({"sbx", "create"}).exit_code == 130);
}

TEST_CASE("doctor exits with 6 on a machine that cannot run sandboxes") {
  CommandLine tl;
  using Verdict = tl::HostCheck::Verdict;
  tl.state->report = {
      {{"kvm", Verdict::kWarning, "no /dev/kvm", "load kvm"}, {"qemu", Verdict::kFailure, "absent", ""}},
      false};
  const auto outcome = tl({"sbx", "doctor"});
  REQUIRE(outcome.exit_code == 6);
  REQUIRE(outcome.out ==
          "Verdict\tCheck\tDetail\tCure\nwarning\tkvm\tno /dev/kvm\tload kvm\nfailure\tqemu\tabsent\t\n");
  REQUIRE(contains(tl({"sbx", "doctor"}, Leads::kToTerminals).out,
                   "warning  kvm   no /dev/kvm\n               cure: load kvm\n"));
  tl.state->report.usable = true;
  REQUIRE(tl({"sbx", "doctor"}).exit_code == 0);
  REQUIRE(Json::parse(tl({"sbx", "doctor", "--json"}).out)["checks"][1]["verdict"] == "failure");
}

TEST_CASE("image ls lists images") {
  CommandLine tl;
  REQUIRE(tl({"sbx", "image", "ls"}, Leads::kToTerminals).out == "No images found.\n");
  tl.state->images = {
      {"default", "sha256:0123456789abcdef", 300u << 20, present() - 2h, "Debian GNU/Linux 12"}};
  REQUIRE(tl({"sbx", "image", "ls"}).out ==
          "Name\tDigest\tSize\tSystem\tCreated At\ndefault\t0123456789ab\t300.0 MiB\tDebian GNU/Linux 12\t2 "
          "hr ago\n");
  const auto json = Json::parse(tl({"sbx", "image", "ls", "--json"}).out);
  REQUIRE(json[0]["digest"] == "sha256:0123456789abcdef");
  REQUIRE(json[0]["size_bytes"] == 300u << 20);
}

TEST_CASE("image import prints the name, or the image, and passes on what was asked for") {
  CommandLine tl;
  tl.state->image.image.name = "alpine:3";
  tl.state->image.image.created_at = present();
  const auto outcome = tl({"sbx", "image", "import", "docker://alpine:3"});
  REQUIRE(outcome.exit_code == 0);
  REQUIRE(outcome.out == "alpine:3\n");
  REQUIRE(outcome.error.empty());
  REQUIRE(tl.state->last_import->trust == tl::RegistryTrust::kVerified);
  REQUIRE(!tl.state->last_import->disk_mb);
  const auto json =
      tl({"sbx", "image", "import", "x.tar", "-n", "mine", "--disk-mb", "20480", "--insecure", "--json"});
  REQUIRE(Json::parse(json.out)["name"] == "mine");
  REQUIRE(tl.state->last_import->reference == "x.tar");
  REQUIRE(tl.state->last_import->disk_mb == 20480);
  REQUIRE(tl.state->last_import->trust == tl::RegistryTrust::kAny);
  const auto shown = tl({"sbx", "image", "import", "x.tar"}, Leads::kToTerminals);
  REQUIRE(shown.out.empty());
  REQUIRE(shown.error.find("Image alpine:3 is ready.") != std::string::npos);
  tl.state->import_error =
      tl::Error{tl::ErrorCode::kHostLacks, "skopeo: no such program on this host", "apt-get install"};
  REQUIRE(tl({"sbx", "image", "import", "docker://x"}).exit_code == 6);
  REQUIRE(tl({"sbx", "image", "import"}).exit_code == 2);
}

TEST_CASE("image describe shows everything, and image rm goes on after a failure") {
  CommandLine tl;
  tl.state->image.image = {"app", "sha256:0123", 1, present(), "app.tar"};
  tl.state->image.env = {"A=b"};
  tl.state->image.sandboxes = {"web"};
  const auto text = tl({"sbx", "image", "describe", "app"}).out;
  for (const char* words : {"app.tar", "A=b", "web", "sha256:0123"})
    REQUIRE(text.find(words) != std::string::npos);
  const auto json = Json::parse(tl({"sbx", "image", "describe", "app", "--json"}).out);
  REQUIRE(json["config"]["env"][0] == "A=b");
  REQUIRE(json["sandboxes"][0] == "web");
  REQUIRE(tl({"sbx", "image", "describe", "other"}).exit_code == 3);
  const auto outcome = tl({"sbx", "image", "rm", "other", "app"});
  REQUIRE(outcome.exit_code == 3);
  REQUIRE(outcome.out == "app\n");
}
