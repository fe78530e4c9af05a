// SPDX-License-Identifier: Apache-2.0
#include "cli/ssh_config.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/cli/command_line.hpp"

using tl::cli::test::CommandLine;

namespace {

CommandLine with_sandbox() {
  CommandLine tl;
  tl::registry::SandboxRecord record;
  record.sandbox_id = "aaaaaaaaaaaaaaaaaaaaa";
  record.name = "web";
  record.status = tl::registry::SandboxState::kRunning;
  tl.state->records = {record};
  return tl;
}

}  // namespace

TEST_CASE("a stanza for ssh has everything quoted that ssh or a shell would take apart") {
  CommandLine tl = with_sandbox();
  const auto outcome = tl({"sbx", "ssh", "web", "--config"});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.out ==
        "Host web\n"
        "  User tl-user\n"
        "  IdentityFile \"/home/me/a state/ssh/id_ed25519\"\n"
        "  IdentitiesOnly yes\n"
        "  ProxyCommand /usr/bin/tl --home '/home/me/it'\\''s 100%%' sbx ssh --proxy web\n"
        "  StrictHostKeyChecking no\n"
        "  UserKnownHostsFile /dev/null\n"
        "  LogLevel ERROR\n");
}

TEST_CASE("quotes and backslashes in the path of a key are kept") {
  tl::SshAccess access{"web", "root", "/a\"b\\c%d", {"tl"}};
  CHECK(tl::cli::ssh_config_text(access).find("IdentityFile \"/a\\\"b\\\\c%%d\"\n") != std::string::npos);
}

TEST_CASE("the proxy of that stanza needs no terminal and has the server's exit code") {
  CommandLine tl = with_sandbox();
  tl.state->program = [](const tl::ExecOptions&) {
    tl::ExecOutcome outcome;
    outcome.exit_code = 255;
    return outcome;
  };
  CHECK(tl({"sbx", "ssh", "--proxy", "web"}).exit_code == 255);
  CHECK(tl.state->last_exec->command == std::vector<std::string>{"sshd"});
  CHECK(tl({"sbx", "ssh", "--proxy", "nobody"}).exit_code == 125);
  CHECK(tl({"sbx", "ssh", "--config", "nobody"}).exit_code == 125);
}
