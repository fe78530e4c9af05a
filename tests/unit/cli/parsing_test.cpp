// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/unit/cli/command_line.hpp"

using tl::cli::test::CommandLine;
using Words = std::vector<std::string>;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

CommandLine with_sandbox() {
  CommandLine tl;
  tl({"sbx", "create", "sb"});
  return tl;
}

}  // namespace

TEST_CASE("flags of exec end at the command") {
  CommandLine tl = with_sandbox();
  REQUIRE(tl({"sbx", "exec", "sb", "ls", "-t", "--user", "x", "--", "-w"}).exit_code == 0);
  REQUIRE(tl.state->last_exec->command == Words{"ls", "-t", "--user", "x", "--", "-w"});
  REQUIRE_FALSE(tl.state->last_exec->timeout);
  REQUIRE(tl.state->last_exec->user.empty());
}

TEST_CASE("flags of exec stand before and after the sandbox") {
  CommandLine tl = with_sandbox();
  REQUIRE(
      tl({"sbx", "exec", "-it", "2.5", "-e", "A=1", "sb", "-w/tmp", "--env=B=x=y", "--user", "7:8", "env"})
          .exit_code == 0);
  const auto& exec = *tl.state->last_exec;
  REQUIRE(exec.command == Words{"env"});
  REQUIRE(exec.timeout == std::chrono::milliseconds(2500));
  REQUIRE(exec.environment == std::vector<std::pair<std::string, std::string>>{{"A", "1"}, {"B", "x=y"}});
  REQUIRE(exec.working_directory == "/tmp");
  REQUIRE(exec.user == "7:8");
  REQUIRE(exec.stdin_mode == tl::StdinMode::kForward);
}

TEST_CASE("a double hyphen ends the flags of exec and is not part of the command") {
  CommandLine tl = with_sandbox();
  REQUIRE(tl({"sbx", "exec", "sb", "--", "-t", "--", "x"}).exit_code == 0);
  REQUIRE(tl.state->last_exec->command == Words{"-t", "--", "x"});
  REQUIRE(tl({"sbx", "exec", "--", "sb", "-t"}).exit_code == 0);
  REQUIRE(tl.state->last_exec->command == Words{"-t"});
}

TEST_CASE("words of a command pass through byte for byte") {
  CommandLine tl = with_sandbox();
  const Words command{"printf", "", "a\nb", "\"q'", "[x,y]", "\xC3\xA9\xFF", "{}", "-"};
  Words words{"sbx", "exec", "sb"};
  words.insert(words.end(), command.begin(), command.end());
  REQUIRE(tl(words).exit_code == 0);
  REQUIRE(tl.state->last_exec->command == command);
}

TEST_CASE("values of environment variables pass through byte for byte") {
  CommandLine tl = with_sandbox();
  REQUIRE(tl({"sbx", "exec", "-e", "A=[1,2]", "-e", "B=", "-e", "C=a\nb\"", "sb", "env"}).exit_code == 0);
  const auto& environment = tl.state->last_exec->environment;
  REQUIRE(environment ==
          std::vector<std::pair<std::string, std::string>>{{"A", "[1,2]"}, {"B", ""}, {"C", "a\nb\""}});
}

TEST_CASE("flags of run end at the command") {
  CommandLine tl;
  REQUIRE(tl({"sbx", "run", "-c", "2", "-t", "5", "python3", "-c", "print()", "-k"}).exit_code == 0);
  REQUIRE(tl.state->last_exec->command == Words{"python3", "-c", "print()", "-k"});
  REQUIRE(tl.state->last_create->cpus == 2.0);
  REQUIRE(tl.state->records.front().status == tl::registry::SandboxState::kTerminated);
}

TEST_CASE("a command is found by its name, its aliases and its unambiguous prefixes") {
  CommandLine tl;
  for (const auto* word : {"create", "new", "cr", "ne"}) {
    INFO(word);
    REQUIRE(tl({"sbx", word}).exit_code == 0);
  }
  for (const auto* word : {"ls", "list", "li"}) {
    INFO(word);
    REQUIRE(tl({"sbx", word}).exit_code == 0);
  }
  REQUIRE(tl({"s", "im", "l"}).exit_code == 0);
}

TEST_CASE("an ambiguous prefix is refused with the commands it could mean") {
  CommandLine tl;
  const auto outcome = tl({"sbx", "d"});
  REQUIRE(outcome.exit_code == 2);
  REQUIRE(contains(outcome.error, "'tl sbx d' is ambiguous: describe, doctor"));
}

TEST_CASE("a whole name wins over longer names that begin with it") {
  CommandLine tl;
  REQUIRE(tl({"sbx", "name"}).error.find("ambiguous") == std::string::npos);
}

TEST_CASE("hidden commands are not offered by prefix or by likeness") {
  CommandLine tl;
  REQUIRE(tl({"sbx", "image", "create-d"}).exit_code == 2);
  REQUIRE_FALSE(contains(tl({"sbx", "image", "create-defaults"}).error, "create-default'"));
  REQUIRE(tl({"sbx", "image", "create-default", "--store", "x"}).out == "sha256:of-x\n");
}

TEST_CASE("a mistyped command is answered with the likely one") {
  CommandLine tl;
  const auto outcome = tl({"sbx", "craete"});
  REQUIRE(outcome.exit_code == 2);
  REQUIRE(outcome.error == "Error: unknown command 'tl sbx craete'\nhint: did you mean 'tl sbx create'?\n");
  REQUIRE(contains(tl({"sbx", "frobnicate"}).error, "hint: see 'tl sbx --help'"));
}

TEST_CASE("a mistyped flag is answered with the likely one") {
  CommandLine tl;
  const auto outcome = tl({"sbx", "create", "--memry", "2048"});
  REQUIRE(outcome.exit_code == 2);
  REQUIRE(outcome.error == "Error: unknown flag '--memry'\nhint: did you mean '--memory'?\n");
}

TEST_CASE("missing and superfluous words are usage errors") {
  CommandLine tl;
  REQUIRE(tl({"sbx", "describe"}).exit_code == 2);
  REQUIRE(contains(tl({"sbx", "describe"}).error, "ID is missing"));
  REQUIRE(contains(tl({"sbx", "name", "x"}).error, "NEW is missing"));
  REQUIRE(tl({"sbx", "create", "a", "b"}).exit_code == 2);
  REQUIRE(contains(tl({"sbx", "create", "a", "b"}).error, "unexpected word 'b'"));
  REQUIRE(tl({"sbx", "create", "--cpus"}).exit_code == 2);
  REQUIRE(tl({"sbx", "create", "-c", "1", "-c", "2"}).exit_code == 2);
  REQUIRE(tl.state->times_opened == 0);
}

TEST_CASE("values of the wrong form are out of range") {
  CommandLine tl;
  for (const auto& [flag, value] :
       std::vector<std::pair<std::string, std::string>>{{"--cpus", "two"},
                                                        {"--cpus", "-1"},
                                                        {"--cpus", "1e9"},
                                                        {"--cpus", "nan"},
                                                        {"--cpus", ""},
                                                        {"--memory", "1024.5"},
                                                        {"--memory", "-1024"},
                                                        {"--memory", "99999999999"},
                                                        {"--memory", "1024MB"},
                                                        {"--disk_mb", "0x10"},
                                                        {"--timeout", "-5"},
                                                        {"--accel", "magic"}}) {
    INFO(flag << ' ' << value);
    const auto outcome = tl({"sbx", "create", flag, value});
    REQUIRE(outcome.exit_code == 5);
    REQUIRE(contains(outcome.error, flag == "--disk_mb" ? "--disk" : flag));
  }
  REQUIRE(tl.state->times_opened == 0);
}

TEST_CASE("every failure of exec and run that is ours is 125") {
  CommandLine tl = with_sandbox();
  REQUIRE(tl({"sbx", "exec"}).exit_code == 125);
  REQUIRE(tl({"sbx", "exec", "sb"}).exit_code == 125);
  REQUIRE(contains(tl({"sbx", "exec", "sb"}).error, "COMMAND is missing"));
  REQUIRE(tl({"sbx", "exec", "--nonsense", "sb", "true"}).exit_code == 125);
  REQUIRE(tl({"sbx", "exec", "-t", "soon", "sb", "true"}).exit_code == 125);
  REQUIRE(tl({"sbx", "exec", "-t", "0", "sb", "true"}).exit_code == 125);
  REQUIRE(tl({"sbx", "exec", "-e", "novalue", "sb", "true"}).exit_code == 125);
  REQUIRE(tl({"sbx", "exec", "nobody", "true"}).exit_code == 125);
}

TEST_CASE(
    "run without a command leaves the choice to the image, and does not start its entrypoint beside it") {
  CommandLine tl = with_sandbox();
  REQUIRE(tl({"sbx", "run"}).exit_code == 0);
  REQUIRE(tl.state->last_exec->command.empty());
  REQUIRE(tl.state->last_create->image_entrypoint == tl::ImageEntrypoint::kLeave);
}

TEST_CASE("an entrypoint is given a word at a time") {
  CommandLine tl = with_sandbox();
  REQUIRE(tl({"sbx", "create", "-e", "sleep", "--entrypoint=-1", "-e", "a b"}).exit_code == 0);
  REQUIRE(tl.state->last_create->entrypoint == std::vector<std::string>{"sleep", "-1", "a b"});
  REQUIRE(tl.state->last_create->image_entrypoint == tl::ImageEntrypoint::kStart);
}

TEST_CASE("what arrives later is refused with one sentence") {
  CommandLine tl = with_sandbox();
  REQUIRE(tl({"sbx", "run", "--detach", "true"}).exit_code == 125);
}

TEST_CASE("whom a sandbox may speak to is said when it is created, and changed by update") {
  CommandLine tl = with_sandbox();
  REQUIRE(tl({"sbx", "create", "-N"}).exit_code == 0);
  REQUIRE(tl.state->last_create->network.no_internet);
  REQUIRE(tl({"sbx", "create", "-A", "example.com", "-A", "192.0.2.0/24", "-D", "192.0.2.7"}).exit_code == 0);
  REQUIRE(tl.state->last_create->network.allow == std::vector<std::string>{"example.com", "192.0.2.0/24"});
  REQUIRE(tl.state->last_create->network.deny == std::vector<std::string>{"192.0.2.7"});
  REQUIRE(tl({"sbx", "update", "sb", "-D", "example.com"}).exit_code == 0);
  REQUIRE(contains(tl({"sbx", "describe", "sb"}).out, "Network deny:    example.com"));
  REQUIRE(tl({"sbx", "update", "sb", "--clear-network"}).exit_code == 0);
  REQUIRE(!contains(tl({"sbx", "describe", "sb"}).out, "Network deny"));
  REQUIRE(tl({"sbx", "update", "sb"}).exit_code == 5);
  REQUIRE(contains(tl({"sbx", "update", "sb", "-N", "--clear-network"}).error, "--clear-network"));
  REQUIRE(tl({"sbx", "update", "nobody", "-N"}).exit_code == 3);
}

TEST_CASE("an empty value or operand is passed on, not taken for a missing one") {
  CommandLine tl;
  REQUIRE(tl({"sbx", "create", "--cpus="}).exit_code == 5);
  REQUIRE(tl({"sbx", "create", "--memory="}).exit_code == 5);
  REQUIRE(tl({"sbx", "create", "--memory", ""}).exit_code == 5);
  REQUIRE(tl({"sbx", "create", ""}).exit_code == 0);
  REQUIRE(tl.state->last_create->name == "");
  CommandLine empty;
  for (const auto* verb : {"describe", "terminate"}) REQUIRE(empty({"sbx", verb, ""}).exit_code == 3);
  REQUIRE(contains(empty({"sbx", "terminate", "", "x"}).error, "no sandbox ''"));
  REQUIRE(empty({"sbx", "name", "", "new-name"}).exit_code == 3);
  REQUIRE(empty({"sbx", "name", "x", ""}).exit_code == 3);
  REQUIRE(contains(empty({"sbx", "exec", "", "true"}).error, "no sandbox ''"));
}

TEST_CASE("the global flags work at every level") {
  for (const auto& words :
       {Words{"--home", "/h", "--debug", "sbx", "ls"}, Words{"sbx", "--home=/h", "--debug", "ls"},
        Words{"sbx", "ls", "--debug", "--home", "/h"}}) {
    CommandLine tl;
    REQUIRE(tl(words).exit_code == 0);
    REQUIRE(tl.state->opened_with.home == "/h");
    REQUIRE(tl.state->opened_with.debug);
  }
}

TEST_CASE("every flag of create reaches the runtime") {
  CommandLine tl;
  REQUIRE(tl({"sbx", "create", "web",          "-c", "1.5", "-m",      "2048", "--disk-mb",      "20480",
              "-i",  "img",    "-t",           "60", "-n",  "--accel", "tcg",  "--idle-timeout", "30",
              "-s",  "snap",   "--no-template"})
              .exit_code == 0);
  const auto& request = *tl.state->last_create;
  REQUIRE(request.name == "web");
  REQUIRE(request.cpus == 1.5);
  REQUIRE(request.memory_mb == 2048u);
  REQUIRE(request.disk_mb == 20480u);
  REQUIRE(request.image == "img");
  REQUIRE(request.timeout_secs == 60);
  REQUIRE(request.wait == tl::CreateWait::kNoWait);
  REQUIRE(request.accelerator == tl::AcceleratorChoice::kTcg);
  REQUIRE(request.idle_timeout_secs == 30);
  REQUIRE(request.snapshot == "snap");
  REQUIRE(request.template_use == tl::TemplateUse::kNever);
}

TEST_CASE("what is not asked for at create is left to the runtime") {
  CommandLine tl;
  REQUIRE(tl({"sbx", "create"}).exit_code == 0);
  const auto& request = *tl.state->last_create;
  REQUIRE_FALSE(request.cpus);
  REQUIRE_FALSE(request.image);
  REQUIRE_FALSE(request.snapshot);
  REQUIRE(request.idle_timeout_secs == 0);
  REQUIRE(request.template_use == tl::TemplateUse::kWhenThere);
}

TEST_CASE("run takes what create takes to start from") {
  CommandLine tl;
  REQUIRE(tl({"sbx", "run", "--snapshot=warm", "--no-template", "x", "-s", "y"}).exit_code == 0);
  REQUIRE(tl.state->last_create->snapshot == "warm");
  REQUIRE(tl.state->last_create->template_use == tl::TemplateUse::kNever);
  REQUIRE(tl.state->last_exec->command == Words{"x", "-s", "y"});
  REQUIRE(tl({"sbx", "run", "--idle-timeout", "5", "x"}).exit_code == 125);
}

TEST_CASE("a command with a call takes a word for a subcommand only when it is one exactly") {
  CommandLine tl = with_sandbox();
  tl({"sbx", "create", "l"});
  tl({"sbx", "create", "ls"});
  const auto copied = [&tl](const Words& words) {
    tl.state->snapshots.clear();
    tl.state->last_checkpoint.reset();
    REQUIRE(tl(words).exit_code == 0);
    return tl.state->snapshots.empty() ? std::string()
                                       : tl.state->snapshots.front().sandbox_name.value_or("");
  };
  REQUIRE(copied({"sbx", "checkpoint", "sb"}) == "sb");
  REQUIRE(copied({"sbx", "snapshot", "sb"}) == "sb");
  REQUIRE(copied({"sbx", "ch", "-t", "5", "sb", "--name=n"}) == "sb");
  REQUIRE(copied({"sbx", "checkpoint", "--checkpoint-type", "memory", "l"}) == "l");
  REQUIRE(copied({"sbx", "checkpoint", "--", "ls"}) == "ls");
  REQUIRE(copied({"sbx", "checkpoint", "-t", "5", "--", "ls"}) == "ls");
  for (const auto* word : {"ls", "list"}) {
    REQUIRE(copied({"sbx", "checkpoint", word}).empty());
    REQUIRE(copied({"sbx", "checkpoint", "--json", word}).empty());
    REQUIRE_FALSE(tl.state->last_checkpoint);
  }
  REQUIRE(contains(tl({"sbx", "checkpoint", "lst"}).error, "no sandbox 'lst'"));
  REQUIRE(tl({"sbx", "checkpoint", ""}).exit_code == 3);
}

TEST_CASE("a command with a call and no word at all says what is missing") {
  CommandLine tl;
  for (const auto& words : {Words{"sbx", "checkpoint"}, Words{"sbx", "checkpoint", "--name="},
                            Words{"sbx", "checkpoint", "--json", "--"}}) {
    const auto outcome = tl(words);
    REQUIRE(outcome.exit_code == 2);
    REQUIRE(outcome.error == "Error: ID is missing\nhint: see 'tl sbx checkpoint --help'\n");
  }
  REQUIRE(contains(tl({"sbx", "checkpoint", "a", "b"}).error, "unexpected word 'b'"));
  REQUIRE(contains(tl({"sbx", "checkpoint", "rm"}).error, "ID is missing"));
  REQUIRE(tl.state->times_opened == 0);
}

TEST_CASE("a command with a call shows both ways to call it") {
  CommandLine tl;
  const auto help = tl({"sbx", "checkpoint", "--help"}).out;
  REQUIRE(
      contains(help, "Usage: tl sbx checkpoint [FLAGS] ID\n       tl sbx checkpoint [FLAGS] COMMAND ...\n"));
  REQUIRE(contains(help, "'tl sbx checkpoint -- ls'"));
  REQUIRE(contains(help, "\nCommands:\n"));
  REQUIRE(contains(tl({"sbx", "checkpoint", "ls", "--help"}).out, "Usage: tl sbx checkpoint ls [FLAGS]\n"));
}

TEST_CASE("values of the life cycle's flags are checked for their form") {
  CommandLine tl = with_sandbox();
  for (const auto& words :
       {Words{"sbx", "checkpoint", "sb", "--checkpoint-type", "disk"},
        Words{"sbx", "checkpoint", "sb", "-t", "0"}, Words{"sbx", "checkpoint", "sb", "-t", "soon"},
        Words{"sbx", "copy", "sb", "-n", "-1"}, Words{"sbx", "copy", "sb", "-n", "1.5"},
        Words{"sbx", "copy", "sb", "-n", "4294967296"}, Words{"sbx", "create", "--idle-timeout", "1h"}}) {
    REQUIRE(tl(words).exit_code == 5);
  }
  REQUIRE_FALSE(tl.state->last_checkpoint);
  REQUIRE_FALSE(tl.state->last_copy);
}

TEST_CASE("help goes to stdout and needs nothing") {
  CommandLine tl;
  for (const auto& words : {Words{"--help"}, Words{"sbx", "-h"}, Words{"sbx", "create", "x", "--help"},
                            Words{"sbx", "exec", "-h"}}) {
    const auto outcome = tl(words);
    REQUIRE(outcome.exit_code == 0);
    REQUIRE(contains(outcome.out, "Usage:"));
    REQUIRE(outcome.error.empty());
  }
  REQUIRE(tl({"sbx", "run", "--help"}).out.find("--detach") == std::string::npos);
  REQUIRE(tl.state->times_opened == 0);
}

TEST_CASE("help after the command is the command's") {
  CommandLine tl = with_sandbox();
  REQUIRE(tl({"sbx", "exec", "sb", "ls", "--help"}).exit_code == 0);
  REQUIRE(tl.state->last_exec->command == Words{"ls", "--help"});
}

TEST_CASE("a group without a command lists its commands as a usage error") {
  CommandLine tl;
  const auto outcome = tl({"sbx"});
  REQUIRE(outcome.exit_code == 2);
  REQUIRE(outcome.out.empty());
  REQUIRE(contains(outcome.error, "terminate"));
  REQUIRE(tl({}).exit_code == 2);
}

TEST_CASE("the version is printed by flag and by command") {
  CommandLine tl;
  REQUIRE(tl({"--version"}).out == "tl " TL_VERSION "\n");
  REQUIRE(tl({"version"}).out == "tl " TL_VERSION "\n");
  REQUIRE(tl.state->times_opened == 0);
}
