// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/file_transfer.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include "common/http2/session.hpp"
#include "runtime/guest/protocol/frame.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/guest/copy_support.hpp"

// Transfers with an agent at the other end that says what the test wants: any guest can.

using namespace tl;
using namespace tl::guest;
using tl::guest::test::Folder;
using tl::guest::test::Tar;

namespace {

struct Answer {
  std::string out;  // the program's stdout
  std::string err;
  int exit_code = 0;
  enum class Takes { kNothing, kStdin } takes = Takes::kNothing;  // before it answers
  enum class Then { kExit, kHangUp, kSilence, kEndless } then = Then::kExit;
};

asio::awaitable<void> send(std::shared_ptr<http2::Stream> stream, FrameKind kind, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto piece = bytes.substr(0, kMaxFramePayload);
    bytes.remove_prefix(piece.size());
    const auto sent = co_await stream->write(encode_frame(kind, std::as_bytes(std::span(piece))));
    if (!sent) co_return;
  }
}

asio::awaitable<void> play(std::shared_ptr<http2::Session> session, std::shared_ptr<http2::Stream> stream,
                           Answer answer) {
  FrameReader frames(stream);
  const auto first = co_await frames.next();
  static_cast<void>(first);
  stream->respond(200);
  while (answer.takes == Answer::Takes::kStdin) {
    const auto frame = co_await frames.next();
    if (!frame || frame->kind == FrameKind::kStdinEnd) break;
    const auto taken = encode_u32(static_cast<std::uint32_t>(frame->payload.size()));
    const auto told = co_await stream->write(encode_frame(FrameKind::kStdinTaken, taken));
    if (!told) co_return;
  }
  co_await send(stream, FrameKind::kStdout, answer.out);
  co_await send(stream, FrameKind::kStderr, answer.err);
  if (answer.then == Answer::Then::kHangUp) session->close();
  while (answer.then == Answer::Then::kEndless && !stream->ended()) {
    co_await send(stream, FrameKind::kStdout, std::string(kMaxFramePayload, 'x'));
  }
  if (answer.then == Answer::Then::kExit) {
    const auto exit = encode(ExecExit{ExecExit::Kind::kExited, answer.exit_code});
    const auto sent = co_await stream->write(encode_frame(FrameKind::kExit, exit));
    static_cast<void>(sent);
    stream->finish();
  }
  co_await stream->wait_ended();
}

asio::awaitable<void> serve(std::shared_ptr<http2::Session> session) {
  const auto ended = co_await session->run();
  static_cast<void>(ended);
}

// A monitor and an agent in one, in a thread.
class FakeAgent {
 public:
  explicit FakeAgent(Answer answer) {
    ::signal(SIGPIPE, SIG_IGN);
    auto ends = stream_socket_pair();
    REQUIRE(ends);
    client_ = std::move(ends->first);
    thread_ = std::thread([fd = ends->second.release(), answer = std::move(answer)] {
      asio::io_context io(1);
      std::weak_ptr<http2::Session> self;
      auto session = http2::Session::create(io.get_executor(), UniqueFd(fd), http2::Session::Role::kServer,
                                            [&](std::shared_ptr<http2::Stream> stream) {
                                              asio::co_spawn(io, play(self.lock(), std::move(stream), answer),
                                                             asio::detached);
                                            });
      self = session;
      asio::co_spawn(io, serve(session), asio::detached);
      session.reset();
      io.run();
    });
  }
  ~FakeAgent() { thread_.join(); }

  FilesEnd end() {
    registry::SandboxRecord record;
    record.sandbox_id = "aaaaaaaaaaaaaaaaaaaaa";
    record.name = "web";
    return FilesEnd(record, FilesRequest{}, std::move(client_));
  }

 private:
  UniqueFd client_;
  std::thread thread_;
};

FileCopy to(const std::string& path) {
  FileCopy copy;
  copy.from = {"web", "/srv/data"};
  copy.to.path = path;
  return copy;
}

Result<FilesCopied> receive(const Answer& answer, const FileCopy& copy) {
  FakeAgent agent(answer);
  auto end = agent.end();
  return receive_files(end, copy);
}

}  // namespace

TEST_CASE("an honest agent's archive becomes the copy, with a warning beside it") {
  const Folder here;
  Tar tar;
  const auto copied = receive({tar.file("copy", "hello").take(), "left out a \x1b[31msocket"}, to(here.path));
  REQUIRE(copied);
  CHECK(copied->bytes == 5);
  CHECK(here.read("data") == "hello");
  CHECK(copied->warnings == std::vector<std::string>{"sandbox web: left out a ?[31msocket"});
}

TEST_CASE("a hostile agent's archive gets nothing out of the destination") {
  const Folder here;
  std::filesystem::create_directory(here / "in");
  here.write("secret", "secret");
  for (const std::string path : {"copy/../../secret", "/tmp/x", "copy/l/secret"}) {
    INFO(path);
    Tar tar;
    tar.folder("copy").link("copy/l", here.path).file(path, "evil");
    const auto copied = receive({tar.take(), ""}, to(here / "in"));
    REQUIRE_FALSE(copied);
    CHECK(here.read("secret") == "secret");
  }
}

TEST_CASE("without a whole archive and a good end there is no success, and the old file stays") {
  const Folder here;
  here.write("data", "old");
  Tar tar;
  const std::string whole = tar.file("copy", std::string(300'000, 'n')).take();
  const std::string half = whole.substr(0, 150'000);
  using Then = Answer::Then;

  const auto broke = receive({half, ""}, to(here / "data"));
  REQUIRE_FALSE(broke);
  CHECK(broke.error().message == "the copy broke off before its end");
  const auto lost = receive({half, "", 0, Answer::Takes::kNothing, Then::kHangUp}, to(here / "data"));
  REQUIRE_FALSE(lost);
  CHECK(lost.error().message.find("was lost") != std::string::npos);
  const auto failed = receive({half, "read /srv/data: \x1b[2J I/O error", 1}, to(here / "data"));
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message == "sandbox web: read /srv/data: ?[2J I/O error");
  const auto missing = receive({"", "there is nothing", 3}, to(here / "data"));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
  // Its host's troubles are not ours.
  const auto lacks = receive({"", "no space", 6}, to(here / "data"));
  REQUIRE_FALSE(lacks);
  CHECK(lacks.error().code == ErrorCode::kFailure);
  CHECK(here.names() == std::vector<std::string>{"data"});
  CHECK(here.read("data") == "old");
  CHECK_FALSE(receive({whole, "", 0, Answer::Takes::kNothing, Then::kEndless}, to(here / "data")));
}

TEST_CASE("a local error is the cause, whatever it does to the other end") {
  const Folder here;
  Tar tar;
  const auto copied =
      receive({tar.file("copy", std::string(3'000'000, 'n')).take(), ""}, to(here / "none/data"));
  REQUIRE_FALSE(copied);
  CHECK(copied.error().code == ErrorCode::kNotFound);
  CHECK(copied.error().message == "there is no folder " + (here / "none"));
}

TEST_CASE("a signal ends a copy whose other end says nothing any more") {
  const Folder here;
  Tar tar;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const UniqueFd reading(ends[0]), writing(ends[1]);
  FileCopy copy = to(here / "data");
  copy.signals = reading.get();
  std::thread later([&] {
    ::usleep(100'000);
    REQUIRE(::write(writing.get(), "\2", 1) == 1);
  });
  const auto copied = receive({tar.file("copy", "hello").take().substr(0, 700), "", 0,
                               Answer::Takes::kNothing, Answer::Then::kSilence},
                              copy);
  later.join();
  REQUIRE_FALSE(copied);
  CHECK(copied.error().message == "interrupted");
  CHECK(here.names().empty());
}

TEST_CASE("an upload is done when the sandbox says how much it took") {
  const Folder here;
  here.write("file", std::string(1'000'000, 'f'));
  FileCopy copy;
  copy.from.path = here / "file";
  copy.to = {"web", "x"};
  const auto send_to = [&](const Answer& answer) {
    FakeAgent agent(answer);
    auto end = agent.end();
    return send_files(end, copy);
  };
  const auto sent = send_to({"1000000", "", 0, Answer::Takes::kStdin});
  REQUIRE(sent);
  CHECK(sent->bytes == 1'000'000);
  const auto unread = send_to({"1000000", ""});
  REQUIRE_FALSE(unread);
  CHECK(unread.error().message == "the sandbox did not take the whole copy");
  for (const std::string nonsense : {"", "x", "-1", "99999999999999999999999", "12 "}) {
    INFO(nonsense);
    CHECK_FALSE(send_to({nonsense, "", 0, Answer::Takes::kStdin}));
  }
  const auto refused = send_to({"", "create x: Permission denied", 1});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "sandbox web: create x: Permission denied");
}
