// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/process_view.hpp"
#include "cli/signal_names.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/cli/command_line.hpp"

using tl::LogOutput;
using tl::ProcessRecord;
using tl::cli::test::CommandLine;
using tl::cli::test::Leads;
using tl::cli::test::present;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

namespace {

CommandLine with_processes() {
  CommandLine tl;
  tl::registry::SandboxRecord record;
  record.sandbox_id = "aaaaaaaaaaaaaaaaaaaaa";
  record.name = "box";
  record.status = tl::registry::SandboxState::kRunning;
  tl.state->records = {record};
  ProcessRecord web;
  web.pid = 500;
  web.first_pid = 412;
  web.command = "python3 a\033[31m";
  web.name = "web";
  web.managed = true;
  web.restart = tl::RestartPolicy::kOnFailure;
  web.restarts = 2;
  web.started_at = present() - std::chrono::seconds(12);
  ProcessRecord done;
  done.pid = done.first_pid = 413;
  done.command = "false";
  done.status = ProcessRecord::Status::kExited;
  done.value = 1;
  done.started_at = present() - std::chrono::minutes(5);
  done.finished_at = present() - std::chrono::minutes(4);
  ProcessRecord killed = done;
  killed.pid = killed.first_pid = 414;
  killed.status = ProcessRecord::Status::kOomKilled;
  killed.value = 9;
  tl.state->processes = {web, done, killed};
  return tl;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

LogOutput output(LogOutput::Stream stream, std::string bytes) {
  return {stream, present(), std::move(bytes)};
}

}  // namespace

TEST_CASE("ps lists processes, whatever the guest says in them") {
  CommandLine tl = with_processes();
  CHECK(tl({"sbx", "ps", "box"}).out ==
        "PID\tStatus\tManaged\tName\tRestarts\tHealth\tCommand\tStarted\tExit\n"
        "500\trunning\tyes\tweb\t2\t\tpython3 a?[31m\t12 sec ago\t\n"
        "413\texited\tno\t\t\t\tfalse\t5 min ago\t1\n"
        "414\toom-killed\tno\t\t\t\tfalse\t5 min ago\tSIGKILL\n");
  CHECK(contains(tl({"sbx", "ps", "box", "412"}).out, "\n500\t"));
  CHECK_FALSE(contains(tl({"sbx", "ps", "box", "web"}).out, "413"));
  CHECK(tl({"sbx", "ps", "box", "7"}).exit_code == 3);
  CHECK(tl({"sbx", "ps", "no"}).exit_code == 3);
  tl.state->processes.clear();
  CHECK(tl({"sbx", "ps", "box"}).out == "No processes found.\n");
}

TEST_CASE("ps --json has the original's fields, and more") {
  CommandLine tl = with_processes();
  const auto processes = Json::parse(tl({"sbx", "ps", "box", "--json"}).out)["processes"];
  REQUIRE(processes.size() == 3);
  CHECK(processes[0]["pid"] == 500);
  CHECK(processes[0]["status"] == "running");
  CHECK(processes[0]["managed"]["name"] == "web");
  CHECK(processes[0]["managed"]["restart_count"] == 2);
  CHECK(processes[0]["managed"]["restart_policy"] == "on-failure");
  CHECK(processes[0]["ended_at"].is_null());
  CHECK(processes[1]["managed"].is_null());
  CHECK(processes[1]["exit_code"] == 1);
  CHECK(processes[2]["signal"] == 9);
}

TEST_CASE("kill and restart say what the original says") {
  CommandLine tl = with_processes();
  CHECK(tl({"sbx", "kill", "box", "web"}).out == "Killed process web.\n");
  CHECK_FALSE(tl.state->last_signal);
  for (const auto* word : {"HUP", "SIGHUP", "sighup", "1"}) {
    CHECK(tl({"sbx", "kill", "box", "web", "--signal", word}).out == "Sent SIGHUP to process web.\n");
    CHECK(tl.state->last_signal == 1);
  }
  for (const auto* word : {"", "0", "65", "SIG", "SIGNOPE", "-1", "1x"}) {
    CHECK(tl({"sbx", "kill", "box", "web", std::string("--signal=") + word}).exit_code >= 2);
  }
  CHECK(tl({"sbx", "kill", "box", "413"}).exit_code == 4);
  CHECK(tl({"sbx", "kill", "box", "7"}).exit_code == 3);
  CHECK(tl({"sbx", "kill", "box"}).exit_code == 2);
  CHECK(tl({"sbx", "restart", "box", "web"}).out == "1500\n");
  CHECK(tl({"sbx", "restart", "box", "413"}).exit_code == 4);
}

TEST_CASE("exec --detach prints the PID") {
  CommandLine tl = with_processes();
  tl.state->program = [](const auto&) {
    tl::ExecOutcome outcome;
    outcome.detached_pid = 77;
    return outcome;
  };
  const auto outcome =
      tl({"sbx", "exec", "--detach", "--name", "web", "--restart", "on-failure", "--max-restarts", "3",
          "--initial-backoff-ms", "5", "--max-backoff-ms", "50", "box", "a", "--name"});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.out == "77\n");
  const auto& detach = *tl.state->last_exec->detach;
  CHECK(detach.name == "web");
  CHECK(detach.restart == tl::RestartPolicy::kOnFailure);
  CHECK(detach.max_restarts == 3);
  CHECK(detach.initial_backoff_ms == 5);
  CHECK(detach.max_backoff_ms == 50);
  CHECK(tl.state->last_exec->command == Words{"a", "--name"});
}

TEST_CASE("flags that do not go with --detach, or need it, are refused") {
  CommandLine tl = with_processes();
  for (const auto& words : {Words{"--name", "web"},
                            {"--restart", "always"},
                            {"--max-restarts", "1"},
                            {"--detach", "-t", "5"},
                            {"--detach", "-i"},
                            {"--detach", "--tty"},
                            {"--detach", "--restart", "sometimes"}}) {
    Words line{"sbx", "exec"};
    line.insert(line.end(), words.begin(), words.end());
    line.insert(line.end(), {"box", "true"});
    const auto outcome = tl(line);
    CHECK(outcome.exit_code == 125);
    CHECK(contains(outcome.error, "Error: "));
  }
  CHECK_FALSE(tl.state->last_exec);
}

TEST_CASE("logs prints bytes as they are, or a JSON object for each line") {
  CommandLine tl = with_processes();
  using Stream = LogOutput::Stream;
  tl.state->log = {output(Stream::kStdout, std::string("a\0\xFF", 3)), output(Stream::kStderr, "err\n"),
                   output(Stream::kStdout, "b\n\nlast")};
  CHECK(tl({"sbx", "logs", "box", "web"}).out == std::string("a\0\xFF", 3) + "err\nb\n\nlast");
  CHECK_FALSE(tl.state->last_log->follow);
  CHECK(tl({"sbx", "logs", "box", "web", "--json", "--tail", "5", "-f"}).out ==
        "{\"time\":\"2026-11-23T17:20:00.000Z\",\"stream\":\"stderr\",\"text\":\"err\"}\n"
        "{\"time\":\"2026-11-23T17:20:00.000Z\",\"stream\":\"stdout\",\"text\":\"a\\u0000\xEF\xBF\xBD"
        "b\"}\n"
        "{\"time\":\"2026-11-23T17:20:00.000Z\",\"stream\":\"stdout\",\"text\":\"\"}\n"
        "{\"time\":\"2026-11-23T17:20:00.000Z\",\"stream\":\"stdout\",\"text\":\"last\"}\n");
  CHECK(tl.state->last_log->follow);
  CHECK(tl.state->last_log->tail == 5);
  CHECK(tl({"sbx", "logs", "box", "7"}).exit_code == 3);
  CHECK(tl({"sbx", "logs", "box", "web", "--tail", "x"}).exit_code == 5);
  tl.state->log_error = tl::Error{tl::ErrorCode::kConflict, "sandbox box was suspended", {}};
  const auto outcome = tl({"sbx", "logs", "box", "web", "-f"});
  CHECK(outcome.exit_code == 4);
  CHECK(outcome.error == "Error: sandbox box was suspended\n");
}

TEST_CASE("a line of a log that never ends is cut") {
  tl::cli::LogLines lines;
  const std::string much(tl::cli::LogLines::kMostBytes, 'x');
  const auto first = lines.add(output(LogOutput::Stream::kStdout, much + "y"));
  CHECK(Json::parse(first)["text"] == much);
  CHECK(Json::parse(lines.rest())["text"] == "y");
  CHECK(lines.rest().empty());
}
