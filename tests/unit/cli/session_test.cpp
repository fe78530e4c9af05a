// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "tests/support/catch.hpp"
#include "tests/unit/cli/command_line.hpp"

using tl::cli::test::CommandLine;
using tl::cli::test::Leads;
using tl::cli::test::present;
using Environment = std::vector<std::pair<std::string, std::string>>;

namespace {

CommandLine with_sessions() {
  CommandLine tl;
  tl::registry::SandboxRecord record;
  record.sandbox_id = "aaaaaaaaaaaaaaaaaaaaa";
  record.name = "web";
  record.status = tl::registry::SandboxState::kRunning;
  tl.state->records = {record};
  tl.state->sessions = {{412, "/bin/bash", present() - std::chrono::minutes(5), 1, 30, 100},
                        {500, "vim a\033[31m", present() - std::chrono::seconds(12), 0, 24, 80}};
  ::setenv("TERM", "screen", 1);
  ::setenv("COLORTERM", "truecolor", 1);
  return tl;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("ssh runs a shell at home, joined to the terminal") {
  CommandLine tl = with_sessions();
  REQUIRE(tl({"sbx", "ssh", "web", "-e", "A=1"}, Leads::kToTerminals).exit_code == 0);
  const auto& options = *tl.state->last_exec;
  CHECK(options.command == std::vector<std::string>{"/bin/bash"});
  CHECK(options.terminal == tl::TerminalUse::kBothSides);
  CHECK(options.start_folder == tl::StartFolder::kHome);
  CHECK(options.environment == Environment{{"TERM", "screen"}, {"COLORTERM", "truecolor"}, {"A", "1"}});
  CHECK(options.signals >= 0);
}

TEST_CASE("ssh takes another shell with arguments, or a command in its place") {
  CommandLine tl = with_sessions();
  REQUIRE(
      tl({"sbx", "ssh", "web", "-s", "/bin/sh", "--shell-arg", "-l", "--shell-arg=-x"}, Leads::kToTerminals)
          .exit_code == 0);
  CHECK(tl.state->last_exec->command == std::vector<std::string>{"/bin/sh", "-l", "-x"});
  REQUIRE(tl({"sbx", "ssh", "web", "-w", "/tmp", "--", "ls", "-s"}, Leads::kToTerminals).exit_code == 0);
  CHECK(tl.state->last_exec->command == std::vector<std::string>{"ls", "-s"});
  CHECK(tl.state->last_exec->working_directory == "/tmp");
}

TEST_CASE("ssh and attach need a terminal on stdin") {
  CommandLine tl = with_sessions();
  for (const auto& words :
       {std::vector<std::string>{"sbx", "ssh", "web"}, {"sbx", "pty", "attach", "web", "412"}}) {
    const auto outcome = tl(words);
    CHECK(outcome.exit_code == 2);
    CHECK(contains(outcome.error, "needs a terminal on stdin"));
  }
  CHECK(tl.state->times_opened == 0);
}

TEST_CASE("a shell that is not there has a cure") {
  CommandLine tl = with_sessions();
  tl.state->program = [](const auto&) {
    return tl::ExecOutcome{127, "exec /bin/bash: No such file or directory"};
  };
  const auto outcome = tl({"sbx", "ssh", "web"}, Leads::kToTerminals);
  CHECK(outcome.exit_code == 127);
  CHECK(contains(outcome.error, "--shell /bin/sh"));
}

TEST_CASE("a session that was left can be found again") {
  CommandLine tl = with_sessions();
  tl.state->program = [](const auto&) {
    tl::ExecOutcome outcome{143};
    outcome.session_left = 412;
    return outcome;
  };
  const auto outcome = tl({"sbx", "ssh", "web"}, Leads::kToTerminals);
  CHECK(outcome.exit_code == 143);
  CHECK(contains(outcome.error, "tl sbx pty attach web 412"));
}

TEST_CASE("exec --tty joins terminals where there is one here") {
  CommandLine tl = with_sessions();
  REQUIRE(tl({"sbx", "exec", "--tty", "web", "top"}).exit_code == 0);
  CHECK(tl.state->last_exec->terminal == tl::TerminalUse::kInside);
  CHECK(tl.state->last_exec->start_folder == tl::StartFolder::kImages);
  REQUIRE(tl({"sbx", "exec", "--tty", "web", "top"}, Leads::kToTerminals).exit_code == 0);
  CHECK(tl.state->last_exec->terminal == tl::TerminalUse::kBothSides);
  ::unsetenv("TERM");
  ::unsetenv("COLORTERM");
  REQUIRE(tl({"sbx", "exec", "--tty", "-e", "TERM=vt100", "web", "top"}).exit_code == 0);
  CHECK(tl.state->last_exec->environment == Environment{{"TERM", "xterm"}, {"TERM", "vt100"}});
  REQUIRE(tl({"sbx", "exec", "web", "top"}, Leads::kToTerminals).exit_code == 0);
  CHECK(tl.state->last_exec->terminal == tl::TerminalUse::kNone);
  CHECK(tl.state->last_exec->environment.empty());
}

TEST_CASE("pty ls lists sessions, whatever the guest says in them") {
  CommandLine tl = with_sessions();
  CHECK(tl({"sbx", "pty", "ls", "web"}).out ==
        "ID\tCommand\tStarted\tClients\tSize\n"
        "412\t/bin/bash\t5 min ago\t1\t100x30\n"
        "500\tvim a?[31m\t12 sec ago\t0\t80x24\n");
  CHECK(contains(tl({"sbx", "pty", "ls", "web"}, Leads::kToTerminals).out, "\n2 sessions\n"));
  CHECK(tl({"sbx", "pty", "ls", "-q", "web"}).out == "412\n500\n");
  CHECK(contains(tl({"sbx", "pty", "ls", "web", "--json"}).out, "\"session_id\": 412,"));
  tl.state->sessions.clear();
  CHECK(tl({"sbx", "pty", "ls", "web"}, Leads::kToTerminals).out == "No sessions found.\n");
  CHECK(tl({"sbx", "pty", "ls", "no"}).exit_code == 3);
}

TEST_CASE("pty rm ends a session") {
  CommandLine tl = with_sessions();
  CHECK(tl({"sbx", "pty", "rm", "web", "412"}).out == "412\n");
  CHECK(tl({"sbx", "pty", "rm", "web", "412"}).exit_code == 3);
  CHECK(tl({"sbx", "pty", "rm", "web", "x"}).exit_code == 5);
  CHECK(tl({"sbx", "pty", "rm", "web"}).exit_code == 2);
  CHECK(contains(tl({"sbx", "pty", "rm", "web", "500"}, Leads::kToTerminals).error, "Ended session 500."));
}

TEST_CASE("pty attach passes on how the session ended") {
  CommandLine tl = with_sessions();
  tl.state->program = [](const auto&) { return tl::ExecOutcome{9}; };
  CHECK(tl({"sbx", "pty", "attach", "web", "412"}, Leads::kToTerminals).exit_code == 9);
  CHECK(tl({"sbx", "pty", "attach", "web", "7"}, Leads::kToTerminals).exit_code == 125);
}
