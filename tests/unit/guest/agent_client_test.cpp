// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent_client.hpp"

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include <asio/detached.hpp>
#include <asio/steady_timer.hpp>

#include "common/io.hpp"
#include "runtime/guest/protocol/handshake.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/guest/agent_process.hpp"

using namespace tl;
using namespace tl::guest;
using namespace tl::guest::test;
using namespace std::chrono_literals;

namespace {

// An agent that answers every request with the same status and bytes, or never.
struct FakeAgent {
  int status = 200;
  std::vector<std::byte> answer;
  bool silent = false;
};

asio::awaitable<void> answer_request(std::shared_ptr<http2::Stream> stream, FakeAgent fake) {
  if (fake.silent) {
    co_await stream->wait_ended();
    co_return;
  }
  stream->respond(fake.status);
  const auto sent = co_await stream->write(fake.answer);
  if (sent) stream->finish();
}

struct Fixture {
  Fixture() {
    auto ends = stream_socket_pair();
    REQUIRE(ends);
    host = std::move(ends->first);
    guest = std::move(ends->second);
  }

  // Takes the handshake by blocking reads, as the bytes are there, and puts a server behind it.
  void serve(FakeAgent fake) {
    HandshakeFinder finder(kHandshakeMagic);
    while (finder.wanted() > 0) {
      std::byte byte;
      REQUIRE(read_exact(guest.get(), std::span(&byte, 1)));
      finder.take(std::span(&byte, 1));
    }
    REQUIRE(write_all(guest.get(), finder.found()));
    server =
        http2::Session::create(io.get_executor(), std::move(guest), http2::Session::Role::kServer,
                               [this, fake](std::shared_ptr<http2::Stream> stream) {
                                 asio::co_spawn(io, answer_request(std::move(stream), fake), asio::detached);
                               });
    asio::co_spawn(io, server->run(), [](const std::exception_ptr&, const Result<void>&) {});
  }

  // A client whose agent behaves as told.
  std::unique_ptr<AgentClient> connected(const FakeAgent& fake) {
    std::optional<Result<std::unique_ptr<AgentClient>>> client;
    asio::co_spawn(io, keep_result(AgentClient::connect(std::move(host), {}), &client), asio::detached);
    io.poll();
    serve(fake);
    while (!client) io.run_one();
    REQUIRE(*client);
    return std::move(**client);
  }

  ~Fixture() {
    if (server) server->close();
    io.restart();
    io.poll();
  }

  asio::io_context io;
  UniqueFd host, guest;
  std::shared_ptr<http2::Session> server;
};

// As much without meaning as the link takes.
void babble(int socket) {
  const std::vector<std::byte> words(4096);
  while (::send(socket, words.data(), words.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
  }
}

Configuration configuration() {
  Configuration result;
  result.hostname = "h";
  result.entropy.resize(32);
  result.machine_id = std::string(32, '0');
  return result;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "configure and metrics bring the agent's answers") {
  SECTION("a good report") {
    const auto client = connected({200, encode(ConfigureReport{})});
    CHECK(run(io, client->configure(configuration(), 60s)));
  }
  SECTION("a report of an error, made printable") {
    const auto client = connected({200, encode(ConfigureReport{"no disk\x1B[31m\n"})});
    const auto result = run(io, client->configure(configuration(), 60s));
    REQUIRE_FALSE(result);
    CHECK(result.error().message == "configure the guest: no disk?[31m?");
  }
  SECTION("metrics") {
    const auto client = connected({200, encode(Metrics{1, 2, 3, 4, 5, 0.5, 6ms})});
    const auto metrics = run(io, client->metrics(60s));
    REQUIRE(metrics);
    CHECK(metrics->processes == 5);
  }
}

TEST_CASE_METHOD(Fixture, "a guest's bad answers are errors and nothing worse") {
  const auto fails = [&](const FakeAgent& fake, std::chrono::milliseconds limit) {
    const auto client = connected(fake);
    const auto metrics = run(io, client->metrics(limit));
    CHECK_FALSE(client->lost());
    return metrics ? std::string() : metrics.error().message;
  };
  SECTION("another status") {
    CHECK(fails({500, {std::byte{'x'}, std::byte{7}}}, 60s) ==
          "ask the guest for its metrics: the agent refused /v1/metrics: x?");
  }
  SECTION("not CBOR") {
    CHECK_FALSE(fails({200, {std::byte{0xFF}}}, 60s).empty());
  }
  SECTION("nothing") {
    CHECK_FALSE(fails({200, {}}, 60s).empty());
  }
  SECTION("far too much") {
    CHECK_FALSE(fails({200, std::vector<std::byte>(1 << 20)}, 60s).empty());
  }
  SECTION("no answer in time") {
    CHECK(fails({200, {}, true}, 50ms) ==
          "ask the guest for its metrics: the agent did not answer within 50 ms");
  }
}

TEST_CASE_METHOD(Fixture, "the link's end is noticed") {
  const auto client = connected({});
  CHECK_FALSE(client->lost());
  server->close();
  const auto why = run(io, client->wait_lost());
  CHECK(client->lost());
  CHECK_FALSE(why.message.empty());
  CHECK_FALSE(client->open_stream(kExecPath));
  CHECK_FALSE(run(io, client->metrics(60s)));
}

TEST_CASE_METHOD(Fixture, "an agent that never answers costs the time that was allowed") {
  const auto client = run(io, AgentClient::connect(std::move(host), {200ms, 20ms}));
  REQUIRE_FALSE(client);
  CHECK(client.error().message == "the agent did not answer within 200 ms");
  // The second attempt and those after it are preceded by what ends any old session.
  std::vector<std::byte> sent(2 * kHandshakeBytes + kFlushBytes);
  REQUIRE(read_exact(guest.get(), sent));
  CHECK(std::equal(kHandshakeMagic.begin(), kHandshakeMagic.end(), sent.begin()));
  CHECK(sent[kHandshakeBytes] == std::byte{0xFF});
  CHECK(std::equal(kHandshakeMagic.begin(), kHandshakeMagic.end(), sent.end() - kHandshakeBytes));
}

// The timer of an attempt, and the rest of something that is not the echo, both there when the client looks.
// The second attempt has twice the time, which is plenty.
TEST_CASE_METHOD(Fixture, "an attempt whose time ends while something comes is followed by another") {
  std::optional<Result<std::unique_ptr<AgentClient>>> client;
  asio::co_spawn(io, keep_result(AgentClient::connect(std::move(host), {120s, 1s}), &client), asio::detached);
  io.poll();
  std::vector<std::byte> first(kHandshakeBytes);
  REQUIRE(read_exact(guest.get(), first));
  REQUIRE(write_all(guest.get(), std::vector<std::byte>(3 * kHandshakeBytes)));
  std::this_thread::sleep_for(1100ms);
  int there = 0;
  while (there < static_cast<int>(kFlushBytes + kHandshakeBytes)) {
    REQUIRE(io.run_one_for(60s) == 1);
    REQUIRE(::ioctl(guest.get(), FIONREAD, &there) == 0);
  }
  serve({});
  while (!client) io.run_one();
  CHECK(*client);
}

TEST_CASE_METHOD(Fixture, "an agent that never stops talking costs the time that was allowed") {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  // There is always something to read, however slow the machine is.
  const auto babble_until = [&](const auto& result) {
    while (!result) {
      babble(guest.get());
      REQUIRE(io.run_one_for(60s) == 1);
      REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
  };
  SECTION("instead of an answer") {
    std::optional<Result<std::unique_ptr<AgentClient>>> client;
    asio::co_spawn(io, keep_result(AgentClient::connect(std::move(host), {200ms, 20ms}), &client),
                   asio::detached);
    babble_until(client);
    REQUIRE_FALSE(*client);
    CHECK(client->error().message == "the agent did not answer within 200 ms");
  }
  SECTION("after the session") {
    const auto parting = connected({});
    guest = server->detach();
    std::optional<Result<UniqueFd>> link;
    asio::co_spawn(io, keep_result(parting->part(200ms), &link), asio::detached);
    babble_until(link);
    REQUIRE_FALSE(*link);
    CHECK(link->error().message == "the agent was not silent within 200 ms");
  }
}

TEST_CASE_METHOD(Fixture, "an agent whose end closes is an error at once") {
  guest.reset();
  CHECK_FALSE(run(io, AgentClient::connect(std::move(host), {})));
}

TEST_CASE("bytes of an old session in front of the echo are discarded") {
  asio::io_context io;
  AgentProcess agent;
  // The agent has echoed an old handshake that nobody took, and greeted by HTTP/2.
  const Handshake old = new_handshake();
  const UniqueFd link = agent.link();
  REQUIRE(write_all(link.get(), old));
  Handshake echoed;
  REQUIRE(read_exact(link.get(), std::span(echoed).first(7)));  // in part: the rest is garbage now
  auto client = agent.connect(io);
  CHECK(run(io, execute(client.get(), command({"echo", "hello"}))).out == "hello\n");
}

TEST_CASE("garbage on the link ends the session, never the agent, and a new handshake works") {
  asio::io_context io;
  AgentProcess agent;
  std::uint32_t state = 7;
  for (int round = 0; round < 8; ++round) {
    {
      auto client = agent.connect(io);
      const auto outcome = run(io, execute(client.get(), command({"echo", std::to_string(round)})));
      CHECK(outcome.out == std::to_string(round) + "\n");
    }
    std::vector<std::byte> garbage(1 + static_cast<std::size_t>(round) * 5000);
    for (std::byte& byte : garbage) {
      state = state * 1664525 + 1013904223;
      byte = static_cast<std::byte>(state >> 24);
    }
    const UniqueFd link = agent.link();
    for (std::size_t at = 0; at < garbage.size();) {
      const ssize_t n = ::send(link.get(), garbage.data() + at, garbage.size() - at, MSG_DONTWAIT);
      if (n <= 0) break;
      at += static_cast<std::size_t>(n);
    }
    CHECK(agent.alive());
  }
}

TEST_CASE("the real agent refuses what it does not know") {
  asio::io_context io;
  AgentProcess agent;
  const auto client = agent.connect(io);
  const auto stream = client->open_stream("/v1/nothing").value();
  stream->finish();
  CHECK(run(io, stream->status()).value() == 404);
  const auto metrics = run(io, client->metrics(60s));
  REQUIRE(metrics);
  CHECK(metrics->memory_total_bytes > 0);
  CHECK(metrics->processes > 0);
  CHECK(run(io, client->configure(configuration(), 60s)));
  auto bad = configuration();
  bad.hostname = "bad";
  const auto refused = run(io, client->configure(bad, 60s));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "configure the guest: it is bad");
  bad.machine_id = "short";
  CHECK_FALSE(run(io, client->configure(bad, 60s)));
}

TEST_CASE("what goes on from a template has its identity before a command runs in it") {
  asio::io_context io;
  AgentProcess agent;
  const auto client = agent.connect(io);
  const std::string file = agent.groups().folder + "/hostname";
  auto fresh = configuration();
  fresh.restored = Restored::kFresh;
  for (const char* hostname : {"one", "two"}) {
    fresh.hostname = hostname;
    REQUIRE(run(io, client->configure(fresh, 60s)));
    CHECK(run(io, test::execute(client.get(), command({"cat", file}), "")).out == hostname);
  }
  fresh.restored = Restored::kResumed;
  fresh.hostname = "three";
  REQUIRE(run(io, client->configure(fresh, 60s)));
  CHECK(run(io, test::execute(client.get(), command({"cat", file}), "")).out == "two");
}
