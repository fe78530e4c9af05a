// SPDX-License-Identifier: Apache-2.0
#include "common/http2/bridge.hpp"

#include <functional>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include "common/http2/session.hpp"
#include "common/io.hpp"
#include "tests/support/catch.hpp"

namespace tl::http2 {
namespace {

using StreamPtr = std::shared_ptr<Stream>;

asio::awaitable<void> run_session(std::shared_ptr<Session> session) {
  [[maybe_unused]] const auto ended = co_await session->run();
}

StreamSocket socket_of(asio::io_context& context, UniqueFd fd) {
  return {context, asio::generic::stream_protocol(AF_UNIX, 0), fd.release()};
}

// client ⇄ HTTP/2 ⇄ bridge ⇄ socket ⇄ far, all in one io_context.
struct Line {
  asio::io_context context;
  std::shared_ptr<Session> client, server;
  StreamSocket far{context};
  StreamPtr stream;

  Line() {
    auto link = stream_socket_pair();
    auto line = stream_socket_pair();
    far = socket_of(context, std::move(line->second));
    auto near = std::make_shared<StreamSocket>(socket_of(context, std::move(line->first)));
    client = Session::create(context.get_executor(), std::move(link->first), Session::Role::kClient);
    server =
        Session::create(context.get_executor(), std::move(link->second), Session::Role::kServer,
                        [this, near](StreamPtr asked) {
                          asked->respond(200);
                          asio::co_spawn(context, bridge(std::move(*near), std::move(asked)), asio::detached);
                        });
    for (const auto& session : {client, server})
      asio::co_spawn(context, run_session(session), asio::detached);
    stream = *client->request("POST", "/");
  }

  static asio::awaitable<void> run_part(Line* line, std::function<asio::awaitable<void>()> part) {
    co_await part();
    line->client->close();
    line->server->close();
  }
  void run(std::function<asio::awaitable<void>()> part) {
    asio::co_spawn(context, run_part(this, std::move(part)), asio::detached);
    context.run();
  }

  asio::awaitable<std::string> read_stream() {
    std::string text;
    std::vector<std::byte> buffer(9999);
    for (;;) {
      const auto n = co_await stream->read_some(buffer);
      if (!n) co_return text + "<broken>";
      if (*n == 0) co_return text;
      text.append(reinterpret_cast<const char*>(buffer.data()), *n);
    }
  }
  asio::awaitable<std::string> read_far() {
    std::string text;
    asio::error_code failed;
    co_await asio::async_read(far, asio::dynamic_buffer(text),
                              asio::redirect_error(asio::use_awaitable, failed));
    co_return text + (failed == asio::error::eof ? "" : "<broken>");
  }
  asio::awaitable<void> say(const std::string& text) {
    const auto said = co_await stream->write(std::as_bytes(std::span(text)));
    CHECK(said);
  }
};

}  // namespace

TEST_CASE("the end of each direction of a bridged connection is passed on alone") {
  Line line;
  std::string far, near;
  SECTION("the near side ends first") {
    line.run([&]() -> asio::awaitable<void> {
      co_await line.say("question");
      line.stream->finish();
      far = co_await line.read_far();
      co_await asio::async_write(line.far, asio::buffer("answer", 6), asio::use_awaitable);
      line.far.close();
      near = co_await line.read_stream();
    });
  }
  SECTION("the far side ends first") {
    line.run([&]() -> asio::awaitable<void> {
      co_await asio::async_write(line.far, asio::buffer("answer", 6), asio::use_awaitable);
      line.far.shutdown(asio::socket_base::shutdown_send);
      near = co_await line.read_stream();
      co_await line.say("question");
      line.stream->finish();
      far = co_await line.read_far();
    });
  }
  CHECK(far == "question");
  CHECK(near == "answer");
}

TEST_CASE("a bridged connection that breaks off on one side does so on the other") {
  Line line;
  SECTION("at the stream") {
    std::string far;
    line.run([&]() -> asio::awaitable<void> {
      co_await line.say("part");
      std::string text(4, '\0');
      co_await asio::async_read(line.far, asio::buffer(text), asio::use_awaitable);
      line.stream->reset(Reset::kCancel);
      far = co_await line.read_far();
    });
    CHECK(far == "");  // closed; a reset there is only with TCP
  }
  SECTION("at the socket") {
    std::string near;
    line.run([&]() -> asio::awaitable<void> {
      line.far.close();
      // Nobody takes what is said from now on.
      const std::string much(1 << 20, 'x');
      const auto said = co_await line.stream->write(std::as_bytes(std::span(much)));
      near = co_await line.read_stream();
      CHECK((!said || near.ends_with("<broken>")));
    });
  }
}

TEST_CASE("a bridged connection holds little for who does not read") {
  Line line;
  std::size_t taken = 0;
  std::string rest;
  line.run([&]() -> asio::awaitable<void> {
    line.far.non_blocking(true);
    const std::string piece(65536, 'x');
    const auto status = co_await line.stream->status();
    CHECK(status);
    // Until no turn of the loop makes room any more.
    for (int idle = 0; idle < 100;) {
      asio::error_code full;
      const std::size_t n = line.far.write_some(asio::buffer(piece), full);
      taken += n;
      idle = n == 0 ? idle + 1 : 0;
      co_await asio::post(line.context, asio::use_awaitable);
    }
    line.far.close();
    rest = co_await line.read_stream();
  });
  CHECK(taken < 4 * 1024 * 1024);
  CHECK(rest.size() == taken);
}

}  // namespace tl::http2
