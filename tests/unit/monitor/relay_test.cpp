// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/relay.hpp"

#include <functional>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include "common/http2/session.hpp"
#include "tests/support/catch.hpp"

namespace tl::monitor {
namespace {

using http2::Session;
using http2::Stream;
using StreamPtr = std::shared_ptr<Stream>;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

asio::awaitable<std::string> read_all(StreamPtr stream) {
  std::string text;
  std::vector<std::byte> buffer(9999);
  for (;;) {
    const auto n = co_await stream->read_some(buffer);
    if (!n) co_return text + "<broken>";
    if (*n == 0) co_return text;
    text.append(reinterpret_cast<const char*>(buffer.data()), *n);
  }
}

asio::awaitable<void> relay_or_reset(StreamPtr client, StreamPtr agent) {
  const bool whole = co_await relay(client, std::move(agent));
  if (!whole) client->reset(http2::Reset::kInternal);
}

asio::awaitable<void> run_session(std::shared_ptr<Session> session) {
  [[maybe_unused]] const auto ended = co_await session->run();
}

// client ⇄ relay ⇄ agent, all in one io_context.
struct Chain {
  asio::io_context context;
  std::shared_ptr<Session> client, front, back, agent;

  enum class Relay { kExchange, kConnection };

  explicit Chain(std::function<asio::awaitable<void>(StreamPtr)> service)
      : Chain(Relay::kExchange, std::move(service)) {}
  Chain(Relay how, std::function<asio::awaitable<void>(StreamPtr)> service) {
    auto near = stream_socket_pair();
    auto far = stream_socket_pair();
    const auto executor = context.get_executor();
    client = Session::create(executor, std::move(near->first), Session::Role::kClient);
    back = Session::create(executor, std::move(far->first), Session::Role::kClient);
    front = Session::create(
        executor, std::move(near->second), Session::Role::kServer, [this, how](StreamPtr stream) {
          auto onward = back->request(stream->method(), stream->path());
          asio::co_spawn(context,
                         how == Relay::kExchange ? relay_or_reset(std::move(stream), *onward)
                                                 : relay_connection(std::move(stream), *onward),
                         asio::detached);
        });
    agent = Session::create(executor, std::move(far->second), Session::Role::kServer,
                            [this, service](StreamPtr stream) {
                              asio::co_spawn(context, service(std::move(stream)), asio::detached);
                            });
    for (const auto& session : {client, front, back, agent}) {
      asio::co_spawn(context, run_session(session), asio::detached);
    }
  }
  void close() {
    for (const auto& session : {client, front, back, agent}) session->close();
  }
  static asio::awaitable<void> run_part(Chain* chain, std::function<asio::awaitable<void>()> part) {
    co_await part();
    chain->close();
  }
  void run(std::function<asio::awaitable<void>()> part) {
    asio::co_spawn(context, run_part(this, std::move(part)), asio::detached);
    context.run();
  }
};

asio::awaitable<void> echo(StreamPtr stream) {
  stream->respond(200);
  std::vector<std::byte> buffer(9999);
  for (;;) {
    const auto n = co_await stream->read_some(buffer);
    if (!n || *n == 0) break;
    const auto written = co_await stream->write(std::span(buffer).first(*n));
    if (!written) break;
  }
  stream->finish();
}

asio::awaitable<void> send_all(StreamPtr stream, std::string text) {
  const auto sent = co_await stream->write(bytes_of(text));
  CHECK(sent.has_value());
  stream->finish();
}

TEST_CASE("a relayed exchange carries megabytes both ways untouched") {
  Chain chain(echo);
  std::string sent(4 * 1024 * 1024, '\0');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7 >> 2);
  std::string answer;
  chain.run([&]() -> asio::awaitable<void> {
    auto stream = chain.client->request("POST", "/");
    asio::co_spawn(chain.context, send_all(*stream, sent), asio::detached);
    answer = co_await read_all(*stream);
  });
  CHECK(answer == sent);
}

TEST_CASE("a relayed connection goes on when one direction has ended") {
  // The agent's side ends first, and hears the client all the same.
  std::string heard;
  Chain* whole = nullptr;
  Chain chain(Chain::Relay::kConnection, [&](StreamPtr stream) -> asio::awaitable<void> {
    stream->keep_open();
    stream->respond(200);
    stream->finish();
    heard = co_await read_all(stream);
    whole->close();
  });
  whole = &chain;
  std::string answer = "none";
  asio::co_spawn(
      chain.context,
      [](Chain* in, std::string* got) -> asio::awaitable<void> {
        auto stream = in->client->request("POST", "/");
        *got = co_await read_all(*stream);
        co_await send_all(*stream, "late words");
        co_await (*stream)->wait_ended();
      }(&chain, &answer),
      asio::detached);
  chain.context.run();
  CHECK(answer.empty());
  CHECK(heard == "late words");
}

TEST_CASE("a relayed connection that breaks off does so on both sides") {
  Chain chain(Chain::Relay::kConnection, [](StreamPtr stream) -> asio::awaitable<void> {
    stream->respond(200);
    [[maybe_unused]] const auto sent = co_await stream->write(bytes_of("part"));
    stream->reset(http2::Reset::kCancel);
  });
  bool broken = false;
  chain.run([&]() -> asio::awaitable<void> {
    auto stream = chain.client->request("POST", "/");
    co_await (*stream)->wait_ended();
    broken = (*stream)->broken();
  });
  CHECK(broken);
}

TEST_CASE("a client that goes away ends the agent's side") {
  bool noticed = false;
  Chain* whole = nullptr;
  Chain chain([&](StreamPtr stream) -> asio::awaitable<void> {
    stream->respond(200);
    co_await stream->wait_ended();
    noticed = stream->broken();
    whole->close();
  });
  whole = &chain;
  asio::co_spawn(
      chain.context,
      [](Chain* in) -> asio::awaitable<void> {
        auto stream = in->client->request("POST", "/");
        [[maybe_unused]] const auto status = co_await (*stream)->status();
        in->client->close();
      }(&chain),
      asio::detached);
  chain.context.run();
  CHECK(noticed);
}

TEST_CASE("an agent that breaks off breaks the client's stream too") {
  Chain chain([](StreamPtr stream) -> asio::awaitable<void> {
    stream->respond(200);
    [[maybe_unused]] const auto sent = co_await stream->write(bytes_of("part"));
    stream->reset(http2::Reset::kInternal);
  });
  std::string answer;
  chain.run([&]() -> asio::awaitable<void> {
    auto stream = chain.client->request("POST", "/");
    answer = co_await read_all(*stream);
  });
  CHECK(answer.ends_with("<broken>"));
}

TEST_CASE("an agent that answers early ends the exchange while the client still sends") {
  Chain chain([](StreamPtr stream) -> asio::awaitable<void> {
    stream->respond(200);
    stream->write_now(bytes_of("enough"));
    stream->finish();
    co_return;
  });
  std::string answer;
  chain.run([&]() -> asio::awaitable<void> {
    auto stream = chain.client->request("POST", "/");
    answer = co_await read_all(*stream);
  });
  CHECK(answer == "enough");
}

}  // namespace
}  // namespace tl::monitor
