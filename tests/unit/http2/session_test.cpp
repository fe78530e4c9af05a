// SPDX-License-Identifier: Apache-2.0
#include "common/http2/session.hpp"

#include <functional>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include "common/io.hpp"
#include "tests/support/catch.hpp"

namespace tl::http2 {
namespace {

using Handler = std::function<asio::awaitable<void>(std::shared_ptr<Stream>)>;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

asio::awaitable<std::string> read_all(std::shared_ptr<Stream> stream) {
  std::string text;
  std::vector<std::byte> buffer(10000);
  for (;;) {
    const auto n = co_await stream->read_some(buffer);
    if (!n) co_return text + "<broken>";
    if (*n == 0) co_return text;
    text.append(reinterpret_cast<const char*>(buffer.data()), *n);
  }
}

asio::awaitable<void> echo(std::shared_ptr<Stream> stream) {
  stream->respond(200);
  std::vector<std::byte> buffer(10000);
  for (;;) {
    const auto n = co_await stream->read_some(buffer);
    if (!n || *n == 0) break;
    const auto sent = co_await stream->write(std::span(buffer).first(*n));
    if (!sent) break;
  }
  stream->finish();
}

// Two sessions joined by a socket pair; both end when `client_part` has returned.
struct Pair {
  asio::io_context context;
  std::shared_ptr<Session> server;
  std::shared_ptr<Session> client;
  Result<void> server_outcome;
  Result<void> client_outcome;

  explicit Pair(Handler handler) {
    auto ends = stream_socket_pair();
    server = Session::create(context.get_executor(), std::move(ends->first), Session::Role::kServer,
                             [this, handler](std::shared_ptr<Stream> stream) {
                               asio::co_spawn(context, handler(std::move(stream)), asio::detached);
                             });
    client = Session::create(context.get_executor(), std::move(ends->second), Session::Role::kClient);
  }
  static asio::awaitable<void> run_into(std::shared_ptr<Session> session, Result<void>* outcome) {
    *outcome = co_await session->run();
  }
  static asio::awaitable<void> run_part(Pair* pair, std::function<asio::awaitable<void>()> part) {
    co_await part();
    pair->client->close();
  }
  void run(std::function<asio::awaitable<void>()> client_part) {
    asio::co_spawn(context, run_into(server, &server_outcome), asio::detached);
    asio::co_spawn(context, run_into(client, &client_outcome), asio::detached);
    asio::co_spawn(context, run_part(this, std::move(client_part)), asio::detached);
    context.run();
  }
};

asio::awaitable<void> send_all(std::shared_ptr<Stream> stream, std::string text) {
  const auto sent = co_await stream->write(bytes_of(text));
  CHECK(sent.has_value());
  stream->finish();
}

TEST_CASE("a request's path and body reach the server and the answer comes back") {
  std::string path;
  Pair pair([&](std::shared_ptr<Stream> stream) {
    path = stream->path();
    return echo(std::move(stream));
  });
  std::string answer;
  int status = 0;
  pair.run([&]() -> asio::awaitable<void> {
    auto stream = pair.client->request("POST", "/v1/echo");
    REQUIRE(stream.has_value());
    co_await send_all(*stream, "hello");
    const auto head = co_await (*stream)->status();
    status = head ? *head : -1;
    answer = co_await read_all(*stream);
  });
  CHECK(path == "/v1/echo");
  CHECK(status == 200);
  CHECK(answer == "hello");
}

TEST_CASE("many megabytes flow both ways through a window of kilobytes") {
  Pair pair(echo);
  std::string sent(8 * 1024 * 1024, 'x');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 >> 3);
  std::string answer;
  pair.run([&]() -> asio::awaitable<void> {
    auto stream = pair.client->request("POST", "/");
    asio::co_spawn(pair.context, send_all(*stream, sent), asio::detached);
    answer = co_await read_all(*stream);
  });
  CHECK(answer == sent);
}

TEST_CASE("a stream that nobody reads does not hold up another one") {
  Pair pair([](std::shared_ptr<Stream> stream) -> asio::awaitable<void> {
    stream->respond(200);
    std::string text = "quick";
    if (stream->path() == "/flood") text.assign(4 * 1024 * 1024, 'f');
    [[maybe_unused]] const auto sent = co_await stream->write(bytes_of(text));
    stream->finish();
  });
  std::string answer;
  std::size_t flooded = 0;
  pair.run([&]() -> asio::awaitable<void> {
    auto stalled = pair.client->request("POST", "/flood");
    auto quick = pair.client->request("POST", "/quick");
    answer = co_await read_all(*quick);
    const std::string all = co_await read_all(*stalled);
    flooded = all.size();
  });
  CHECK(answer == "quick");
  CHECK(flooded == 4 * 1024 * 1024);
}

TEST_CASE("hundreds of streams at once each get their own answer") {
  Pair pair(echo);
  int right = 0;
  pair.run([&]() -> asio::awaitable<void> {
    std::vector<std::shared_ptr<Stream>> streams;
    for (int i = 0; i < 500; ++i) {
      auto stream = pair.client->request("POST", "/");
      streams.push_back(*stream);
      (*stream)->write_now(bytes_of("stream " + std::to_string(i)));
      (*stream)->finish();
    }
    for (int i = 0; i < 500; ++i) {
      const std::string answer = co_await read_all(streams[static_cast<std::size_t>(i)]);
      right += answer == "stream " + std::to_string(i);
    }
  });
  CHECK(right == 500);
}

TEST_CASE("dropping a client stream resets it and the server notices") {
  bool noticed = false;
  Pair pair([&](std::shared_ptr<Stream> stream) -> asio::awaitable<void> {
    stream->respond(200);
    co_await stream->wait_ended();
    noticed = stream->broken();
    pair.client->close();
  });
  pair.run([&]() -> asio::awaitable<void> {
    {
      auto stream = pair.client->request("POST", "/");
      [[maybe_unused]] const auto head = co_await (*stream)->status();
    }
    while (!pair.client->closed()) {
      asio::steady_timer turn(pair.context, std::chrono::milliseconds(1));
      co_await turn.async_wait(asio::use_awaitable);
    }
  });
  CHECK(noticed);
}

TEST_CASE("dropping a client stream whose request is complete resets it too") {
  bool noticed = false;
  Pair pair([&](std::shared_ptr<Stream> stream) -> asio::awaitable<void> {
    stream->respond(200);
    co_await stream->wait_ended();
    noticed = stream->broken();
    pair.client->close();
  });
  pair.run([&]() -> asio::awaitable<void> {
    {
      auto stream = pair.client->request("POST", "/");
      (*stream)->finish();
      [[maybe_unused]] const auto head = co_await (*stream)->status();
    }
    while (!pair.client->closed()) {
      asio::steady_timer turn(pair.context, std::chrono::milliseconds(1));
      co_await turn.async_wait(asio::use_awaitable);
    }
  });
  CHECK(noticed);
}

TEST_CASE("a server that answers before the request is complete ends the exchange without an error") {
  Pair pair([](std::shared_ptr<Stream> stream) -> asio::awaitable<void> {
    stream->respond(200);
    stream->write_now(bytes_of("done"));
    stream->finish();
    co_return;
  });
  std::string answer;
  bool ended = false;
  pair.run([&]() -> asio::awaitable<void> {
    auto stream = pair.client->request("POST", "/");
    answer = co_await read_all(*stream);
    co_await (*stream)->wait_ended();
    ended = true;
  });
  CHECK(answer == "done");
  CHECK(ended);
}

TEST_CASE("a lost connection ends every stream with an error") {
  Pair pair([&](std::shared_ptr<Stream> stream) -> asio::awaitable<void> {
    stream->respond(200);
    pair.server->close();
    co_return;
  });
  std::string answer;
  pair.run([&]() -> asio::awaitable<void> {
    auto stream = pair.client->request("POST", "/");
    answer = co_await read_all(*stream);
  });
  CHECK(answer == "<broken>");
  CHECK(pair.server_outcome.has_value());
}

TEST_CASE("garbage instead of HTTP/2 ends a session with an error, not the process") {
  for (const std::string_view garbage : {std::string_view("GET / HTTP/1.1\r\n\r\n"),
                                         std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")}) {
    asio::io_context context;
    auto ends = stream_socket_pair();
    auto server = Session::create(context.get_executor(), std::move(ends->first), Session::Role::kServer,
                                  [](std::shared_ptr<Stream>) {});
    REQUIRE(write_all(ends->second.get(), garbage).has_value());
    Result<void> outcome;
    asio::co_spawn(context, Pair::run_into(server, &outcome), asio::detached);
    context.run_for(std::chrono::minutes(1));
    CHECK(!outcome.has_value());
  }
}

TEST_CASE("a violation in the middle of a session ends it without waiting for more bytes") {
  asio::io_context context;
  auto ends = stream_socket_pair();
  auto server = Session::create(context.get_executor(), std::move(ends->first), Session::Role::kServer,
                                [](std::shared_ptr<Stream>) {});
  const std::string preface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
  REQUIRE(write_all(ends->second.get(), preface + "TLA1 is no frame at all").has_value());
  Result<void> outcome;
  asio::co_spawn(context, Pair::run_into(server, &outcome), asio::detached);
  context.run_for(std::chrono::minutes(1));
  CHECK(!outcome.has_value());
}

}  // namespace
}  // namespace tl::http2
