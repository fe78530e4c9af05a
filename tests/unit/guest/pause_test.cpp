// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "runtime/guest/agent/boot_id.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/guest/agent_process.hpp"

// What a host does around a checkpoint and around the saving of a machine, by AgentClient, with the agent in
// a process of its own. Its file system and its control groups are fakes, everything in between is real.

using namespace tl;
using namespace tl::guest;
using namespace tl::guest::test;
using namespace std::chrono_literals;

namespace {

constexpr auto kLimit = 60s;

asio::awaitable<bool> pause(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return true;
}

Configuration configuration(std::optional<Restored> restored) {
  Configuration result;
  result.hostname = "h";
  result.entropy.resize(32);
  result.machine_id = std::string(32, '0');
  result.restored = restored;
  return result;
}

struct Fixture {
  Result<void> freeze(std::chrono::milliseconds lease = 60s) {
    return run(io, client->freeze(lease, kLimit));
  }
  Result<void> thaw() { return run(io, client->thaw(kLimit)); }
  Result<void> quiesce() { return run(io, client->quiesce(kLimit)); }
  Result<void> release() { return run(io, client->release(kLimit)); }
  Result<void> configure(std::optional<Restored> restored) {
    return run(io, client->configure(configuration(restored), kLimit));
  }
  std::string echo() { return run(io, test::execute(client.get(), command({"echo", "alive"}))).out; }

  // Starts a command that may not start now.
  void begin_echo() {
    asio::co_spawn(io, keep_result(test::execute(client.get(), command({"echo", "late"})), &late),
                   asio::detached);
    // The agent has the request when it answers the next one.
    REQUIRE(run(io, client->metrics(kLimit)));
    REQUIRE_FALSE(late);
  }
  std::string end_echo() {
    io.restart();
    while (!late) io.run_one();
    return late->out;
  }

  asio::io_context io;
  AgentProcess agent;
  std::unique_ptr<AgentClient> client = agent.connect(io);
  std::optional<Outcome> late;
};

bool is_conflict(const Result<void>& result) {
  return !result && result.error().code == ErrorCode::kConflict;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "a command that is asked for while frozen starts with the thaw") {
  REQUIRE(freeze());
  begin_echo();
  REQUIRE(thaw());
  CHECK(end_echo() == "late\n");
}

TEST_CASE_METHOD(Fixture, "a command that is asked for while quiesced starts with the release") {
  REQUIRE(quiesce());
  CHECK(agent.groups().told("tl"));
  begin_echo();
  SECTION("by name") {
    REQUIRE(release());
  }
  SECTION("by a configuration") {
    REQUIRE(configure(Restored::kResumed));
  }
  CHECK(end_echo() == "late\n");
  CHECK_FALSE(agent.groups().told("tl"));
}

TEST_CASE_METHOD(Fixture, "a guest that stands still writes back") {
  REQUIRE(quiesce());
  CHECK(run(io, client->write_back(kLimit)));
  CHECK(agent.groups().told("tl"));
  REQUIRE(release());
  CHECK(echo() == "alive\n");
}

TEST_CASE_METHOD(Fixture, "an agent whose host has parted waits for the next one") {
  CHECK(echo() == "alive\n");
  auto link = run(io, client->part(kLimit));
  REQUIRE(link);
  CHECK(client->lost());
  CHECK_FALSE(run(io, client->part(kLimit)));
  // One handshake does: nothing of the old session is left that would have to be ended first.
  auto next = run(io, AgentClient::connect(*std::move(link), {kLimit, kLimit}));
  REQUIRE(next);
  client = *std::move(next);
  CHECK(echo() == "alive\n");
}

TEST_CASE_METHOD(Fixture, "requests in the wrong order are conflicts and change nothing") {
  CHECK(thaw());
  CHECK(release());
  REQUIRE(freeze());
  const auto again = freeze();
  CHECK(is_conflict(again));
  CHECK(
      again.error().message ==
      "freeze the guest's file system: the agent refused /v1/freeze: the root file system is frozen already");
  CHECK(is_conflict(quiesce()));
  CHECK(is_conflict(configure(Restored::kResumed)));
  CHECK_FALSE(agent.groups().told("tl"));
  CHECK(thaw());
  CHECK(quiesce());
  CHECK(freeze());  // who stands still holds nothing that a file system waits for
  CHECK(thaw());
  CHECK(quiesce());
  CHECK(release());
  CHECK(echo() == "alive\n");
}

TEST_CASE_METHOD(Fixture, "a lease that is too long, and a body that is no request, are refused") {
  CHECK_FALSE(freeze(60'001ms));
  CHECK_FALSE(freeze(0ms));
  CHECK(echo() == "alive\n");
}

TEST_CASE_METHOD(Fixture, "a freeze ends with its lease") {
  REQUIRE(freeze(30ms));
  CHECK(echo() == "alive\n");
}

TEST_CASE_METHOD(Fixture, "a freeze ends with its session") {
  REQUIRE(freeze());
  client->close();
  client = agent.connect(io);
  CHECK(echo() == "alive\n");
}

TEST_CASE_METHOD(Fixture,
                 "quiescence does not end with its session, and a command of that session never starts") {
  const std::string file = agent.groups().folder + "/started";
  REQUIRE(quiesce());
  const auto stream = client->open_stream(kExecPath).value();
  run(io, keep_going(start(stream, shell("touch " + file))));
  REQUIRE(run(io, client->metrics(kLimit)));
  client->close();
  client = agent.connect(io);
  CHECK(agent.groups().told("tl"));
  // The restored guest as well as the one that was saved in vain.
  REQUIRE(configure(GENERATE(Restored::kResumed, Restored::kCopied, Restored::kFresh)));
  CHECK_FALSE(agent.groups().told("tl"));
  CHECK(echo() == "alive\n");
  CHECK(agent.groups().read("started").empty());
  CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE_METHOD(Fixture, "a configuration that fails releases nobody") {
  REQUIRE(quiesce());
  auto bad = configuration(Restored::kCopied);
  bad.hostname = "bad";
  CHECK_FALSE(run(io, client->configure(bad, kLimit)));
  CHECK(agent.groups().told("tl"));
  CHECK(release());
}

TEST_CASE_METHOD(Fixture, "a restore hangs up on attached commands, and those that take no notice go on") {
  const std::string folder = agent.groups().folder;
  const auto attached = client->open_stream(kExecPath).value();
  const auto careless = client->open_stream(kExecPath).value();
  run(io, keep_going(start(attached, shell("trap 'echo hup > " + folder + "/hup; exit' HUP; echo > " +
                                           folder + "/one; while :; do sleep 0.01; done"))));
  run(io, keep_going(start(careless, shell("trap '' HUP; echo > " + folder + "/two; while [ ! -e " + folder +
                                           "/end ]; do sleep 0.01; done; echo on > " + folder + "/on"))));
  const auto appears = [&](const char* name) {
    for (int i = 0; i < 6000 && !std::filesystem::exists(folder + "/" + name); ++i) run(io, pause(10ms));
    return std::filesystem::exists(folder + "/" + name);
  };
  REQUIRE(appears("one"));
  REQUIRE(appears("two"));
  REQUIRE(quiesce());
  // The host of the restored guest knows nothing of the session that the agent is still in.
  client->close();
  client = agent.connect(io);
  REQUIRE(configure(Restored::kResumed));
  CHECK(appears("hup"));
  agent.groups().write("end", "");
  CHECK(appears("on"));
  CHECK(echo() == "alive\n");
}

TEST_CASE("a new boot id is a random UUID as the kernel writes one") {
  const std::string one = new_uuid();
  REQUIRE(one.size() == 36);
  for (const std::size_t at : {8U, 13U, 18U, 23U}) CHECK(one[at] == '-');
  CHECK(one[14] == '4');
  CHECK(std::string("89ab").find(one[19]) != std::string::npos);
  CHECK(one.find_first_not_of("0123456789abcdef-") == std::string::npos);
  CHECK(one != new_uuid());
}
