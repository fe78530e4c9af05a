// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/cli/command_line.hpp"

using tl::cli::test::CommandLine;
using tl::cli::test::Leads;

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

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a tunnel's address is one line in a pipe, and a sentence on a terminal") {
  CommandLine tl = with_sandbox();
  auto outcome = tl({"sbx", "tunnel", "web", "80", "-l", "8080"});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.out == "127.0.0.1:8080\n");
  CHECK(tl.state->last_tunnel->remote == 80);
  CHECK(tl.state->last_tunnel->local == 8080u);
  CHECK(tl.state->last_tunnel->resume.signals >= 0);
  outcome = tl({"sbx", "tunnel", "web", "8000"}, Leads::kToTerminals);
  CHECK(outcome.out.empty());
  CHECK(contains(outcome.error, "127.0.0.1:8000 leads to port 8000 of web"));
  CHECK_FALSE(tl.state->last_tunnel->local);
}

TEST_CASE("why connections of a tunnel are refused is said once") {
  CommandLine tl = with_sandbox();
  const auto outcome = tl({"sbx", "tunnel", "web", "80"});
  CHECK(outcome.error == "A connection was refused: nobody listens on port 80.\n");
}

TEST_CASE("a tunnel that ends with its sandbox is a failure of its kind") {
  CommandLine tl = with_sandbox();
  tl.state->life_cycle_error = tl::Error{tl::ErrorCode::kConflict, "sandbox web is Suspended", {}};
  CHECK(tl({"sbx", "tunnel", "web", "80"}).exit_code == 4);
  CHECK(tl({"sbx", "tunnel", "nobody", "80"}).exit_code == 3);
  CHECK(tl({"sbx", "tunnel", "web", "http"}).exit_code == 5);
}

TEST_CASE("exposed ports are listed with their addresses") {
  CommandLine tl = with_sandbox();
  tl.state->ports = {{80, 8080}};
  CHECK(tl({"sbx", "port", "expose", "web", "80", "443"}).out == "127.0.0.1:8080\n\n");
  CHECK(tl({"sbx", "port", "ls", "web"}).out == "Port\tAddress\n80\t127.0.0.1:8080\n443\t\n");
  const auto json = nlohmann::json::parse(tl({"sbx", "port", "ls", "web", "--json"}).out);
  CHECK(json == nlohmann::json::parse(
                    R"([{"port": 80, "address": "127.0.0.1:8080"}, {"port": 443, "address": null}])"));
  CHECK(contains(tl({"sbx", "describe", "web"}).out, "Port 80:         127.0.0.1:8080"));
  CHECK(tl({"sbx", "port", "rm", "web", "443"}).out == "443\n");
  CHECK(tl({"sbx", "port", "rm", "web", "443"}).exit_code == 3);
  CHECK(tl({"sbx", "port", "expose", "web", "0"}).exit_code == 5);
}

TEST_CASE("what is exposed on a terminal is said in sentences") {
  CommandLine tl = with_sandbox();
  CHECK(contains(tl({"sbx", "port", "ls", "web"}, Leads::kToTerminals).out, "No ports are exposed."));
  tl.state->ports = {{80, 8080}};
  const auto outcome = tl({"sbx", "port", "expose", "web", "80", "443"}, Leads::kToTerminals);
  CHECK(outcome.out.empty());
  CHECK(outcome.error ==
        "Port 80 of web is at 127.0.0.1:8080.\nPort 443 of web will be held open while it runs.\n");
}

TEST_CASE("create takes ports to expose") {
  CommandLine tl = with_sandbox();
  REQUIRE(tl({"sbx", "create", "-x", "80", "--expose", "443"}).exit_code == 0);
  CHECK(tl.state->last_create->exposed_ports == std::vector<std::uint32_t>{80, 443});
}
