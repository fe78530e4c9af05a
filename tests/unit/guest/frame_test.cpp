// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/protocol/frame.hpp"

#include <asio/detached.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/guest/agent_process.hpp"

using namespace tl;
using namespace tl::guest;

namespace {

asio::awaitable<void> respond_with(std::shared_ptr<http2::Stream> stream, std::vector<std::byte> bytes,
                                   std::size_t step) {
  stream->respond(200);
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const auto piece = std::span(bytes).subspan(at, std::min(step, bytes.size() - at));
    const auto sent = co_await stream->write(piece);
    if (!sent) co_return;
  }
  stream->finish();
}

struct Read {
  std::vector<Frame> frames;
  std::string end;
  bool at_end = false;
};

asio::awaitable<Read> read_all(std::shared_ptr<http2::Stream> stream) {
  Read read;
  FrameReader reader(stream);
  for (;;) {
    auto frame = co_await reader.next();
    if (!frame) {
      read.end = frame.error().message;
      read.at_end = reader.at_end();
      co_return read;
    }
    read.frames.push_back(std::move(*frame));
  }
}

// What a reader makes of these bytes when they arrive in pieces of `step` bytes.
Read read_back(const std::vector<std::byte>& bytes, std::size_t step = 1 << 20) {
  asio::io_context io;
  auto ends = stream_socket_pair();
  REQUIRE(ends);
  const auto server = http2::Session::create(
      io.get_executor(), std::move(ends->first), http2::Session::Role::kServer,
      [&](std::shared_ptr<http2::Stream> stream) {
        asio::co_spawn(io, respond_with(std::move(stream), bytes, step), asio::detached);
      });
  const auto client =
      http2::Session::create(io.get_executor(), std::move(ends->second), http2::Session::Role::kClient);
  asio::co_spawn(io, server->run(), [](const std::exception_ptr&, const Result<void>&) {});
  asio::co_spawn(io, client->run(), [](const std::exception_ptr&, const Result<void>&) {});
  auto stream = client->request("POST", "/");
  REQUIRE(stream);
  auto read = test::run(io, read_all(*stream));
  server->close();
  client->close();
  io.restart();
  io.run();
  return read;
}

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

TEST_CASE("frames come back as they were, in pieces of any size") {
  auto bytes = encode_frame(FrameKind::kStdout, bytes_of("hello"));
  const auto second = encode_frame(FrameKind::kStdinEnd, {});
  const auto third = encode_frame(FrameKind::kStderr, bytes_of(std::string(300, '\xFF')));
  bytes.insert(bytes.end(), second.begin(), second.end());
  bytes.insert(bytes.end(), third.begin(), third.end());
  for (const std::size_t step : {1, 2, 3, 4, 5, 6, 7, 100, 1000}) {
    const Read read = read_back(bytes, step);
    REQUIRE(read.frames.size() == 3);
    CHECK(read.at_end);
    CHECK(read.frames[0].kind == FrameKind::kStdout);
    CHECK(read.frames[0].payload == bytes_of("hello"));
    CHECK(read.frames[1].kind == FrameKind::kStdinEnd);
    CHECK(read.frames[1].payload.empty());
    CHECK(read.frames[2].payload.size() == 300);
  }
}

TEST_CASE("the longest frames of each kind fit") {
  const auto start = encode_frame(FrameKind::kStart, std::vector<std::byte>(kMaxStartPayload));
  REQUIRE(read_back(start).frames.size() == 1);
  const auto out = encode_frame(FrameKind::kStdout, std::vector<std::byte>(kMaxFramePayload));
  CHECK(read_back(out).frames.size() == 1);
}

TEST_CASE("hostile frames end the reading") {
  const auto refused = [](std::initializer_list<int> head) {
    std::vector<std::byte> bytes;
    for (const int value : head) bytes.push_back(static_cast<std::byte>(value));
    const Read read = read_back(bytes);
    return read.frames.empty() && !read.at_end && read.end.starts_with("exec frame: ");
  };
  CHECK(refused({0, 0, 0, 0, 0}));
  CHECK(refused({99, 0, 0, 0, 0}));
  CHECK(refused({255, 0, 0, 0, 0}));
  CHECK(refused({17, 0, 1, 0, 1}));  // one byte too long
  CHECK(refused({17, 255, 255, 255, 255}));
  CHECK(refused({1, 0, 0x21, 0, 1}));     // longer than kMaxStartPayload
  CHECK(refused({3, 0, 0, 0, 1, 0}));     // kStdinEnd with a payload
  CHECK(refused({4, 0, 0, 0, 2, 9, 9}));  // two signals
  CHECK(refused({17, 0, 0, 0, 2, 'x'}));  // ends inside
  CHECK(refused({17, 0, 0}));
}

TEST_CASE("numbers in frames") {
  CHECK(decode_u32(encode_u32(0xDEADBEEF)).value() == 0xDEADBEEF);
  CHECK_FALSE(decode_u32(std::vector<std::byte>(3)));
  CHECK(decode_size(encode_size({0xFFFF, 1})).value() == TerminalSize{0xFFFF, 1});
  CHECK_FALSE(decode_size(encode_size({0, 80})));
  CHECK_FALSE(decode_size(encode_size({24, 0})));
  CHECK_FALSE(decode_size(std::vector<std::byte>(5)));
}
