// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <chrono>
#include <set>

#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/guest/agent_process.hpp"

// Commands with a terminal: the agent's service in a process of its own, as in exec_test.cpp.

using namespace tl;
using namespace tl::guest;
using namespace tl::guest::test;
using namespace std::chrono_literals;

namespace {

using StreamPtr = std::shared_ptr<http2::Stream>;

asio::awaitable<bool> pause(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return true;
}

// A client of a session, as a person at a screen.
class Screen {
 public:
  explicit Screen(StreamPtr stream) : stream_(stream), frames_(stream) {}

  asio::awaitable<bool> type(std::string keys) {
    co_await send(stream_, FrameKind::kStdin, std::move(keys));
    co_return true;
  }
  asio::awaitable<bool> resize(TerminalSize size) {
    const auto frame = encode_frame(FrameKind::kResize, encode_size(size));
    const auto sent = co_await stream_->write(frame);
    co_return sent.has_value();
  }
  // Reads until the text is there; false when the session ends before.
  asio::awaitable<bool> see(std::string text) {
    while (shown.find(text) == std::string::npos) {
      const bool more = co_await read();
      if (!more) co_return false;
    }
    co_return true;
  }
  // To the end.
  asio::awaitable<std::optional<ExecExit>> finish() {
    for (;;) {
      const bool more = co_await read();
      if (!more) co_return exit;
    }
  }
  void drop() { stream_->reset(http2::Reset::kCancel); }

  std::string shown;
  std::int64_t session = 0;
  std::optional<ExecExit> exit;

 private:
  asio::awaitable<bool> read() {
    const auto frame = co_await frames_.next();
    if (!frame) co_return false;
    const auto* text = reinterpret_cast<const char*>(frame->payload.data());
    if (frame->kind == FrameKind::kStdout) shown.append(text, frame->payload.size());
    if (frame->kind == FrameKind::kStarted) session = decode<ExecStarted>(frame->payload).value().pid;
    if (frame->kind == FrameKind::kExit) exit = decode<ExecExit>(frame->payload).value();
    co_return true;
  }

  StreamPtr stream_;
  FrameReader frames_;
};

struct Fixture {
  explicit Fixture(std::chrono::milliseconds lease = kTerminalLease) : agent(lease) {}

  asio::io_context io;
  AgentProcess agent;
  std::unique_ptr<AgentClient> client = agent.connect(io);

  static ExecRequest in_terminal(ExecRequest request) {
    request.terminal = TerminalSize{30, 100};
    request.stdin_stream = true;
    return request;
  }
  Screen open(ExecRequest request) {
    const auto stream = client->open_stream(kExecPath).value();
    run(io, keep_going(start(stream, std::move(request))));
    return Screen(stream);
  }
  Screen attach(std::int64_t session, TerminalSize size = {30, 100}) {
    const auto stream = client->open_stream(kAttachPath).value();
    stream->write_now(encode_frame(FrameKind::kAttach, encode(AttachRequest{session, size})));
    return Screen(stream);
  }
  // Asks with one body; the status and the answer's body.
  std::pair<int, std::string> ask(const char* path, std::vector<std::byte> body) {
    return run(io, exchange(client->open_stream(path).value(), std::move(body)));
  }
  TerminalList list() {
    const auto [status, body] = ask(kTerminalsPath, {});
    REQUIRE(status == 200);
    return decode<TerminalList>(std::as_bytes(std::span(body))).value();
  }
  // For at most a minute.
  bool ends(std::int64_t session) {
    for (int i = 0; i < 6000; ++i) {
      bool there = false;
      for (const auto& terminal : list().terminals) there = there || terminal.session == session;
      if (!there) return true;
      run(io, pause(10ms));
    }
    return false;
  }
  void expect_alive() {
    CHECK(run(io, test::execute(client.get(), command({"echo", "alive"}))).out == "alive\n");
  }

 private:
  static asio::awaitable<std::pair<int, std::string>> exchange(StreamPtr stream,
                                                               std::vector<std::byte> body) {
    if (!body.empty()) stream->write_now(body);
    stream->finish();
    const auto status = co_await stream->status();
    std::pair<int, std::string> answer(status ? *status : 0, "");
    std::vector<std::byte> piece(4096);
    for (;;) {
      const auto n = co_await stream->read_some(piece);
      if (!n || *n == 0) co_return answer;
      answer.second.append(reinterpret_cast<const char*>(piece.data()), *n);
    }
  }
};

struct ShortLease : Fixture {
  ShortLease() : Fixture(300ms) {}
};

bool exited(const std::optional<ExecExit>& exit, int code) {
  return exit && exit->kind == ExecExit::Kind::kExited && exit->value == code;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "a command has a terminal of the size that was asked for") {
  auto screen =
      open(in_terminal(shell("test -t 0 && test -t 1 && test -t 2 && stty size; ps -o tty= -p $$; exit 9")));
  const auto exit = run(io, screen.finish());
  CHECK(exited(exit, 9));
  CHECK(screen.shown.starts_with("30 100\r\npts/"));
  CHECK(screen.session > 1);
}

TEST_CASE_METHOD(Fixture, "stdout and stderr are one stream, and nothing of it is lost at the end") {
  auto screen = open(in_terminal(shell("echo out; echo err >&2; seq 20000; echo last")));
  CHECK(exited(run(io, screen.finish()), 0));
  CHECK(screen.shown.starts_with("out\r\nerr\r\n1\r\n"));
  CHECK(screen.shown.ends_with("20000\r\nlast\r\n"));
}

TEST_CASE_METHOD(Fixture, "what is typed is echoed and read, and Ctrl-C interrupts") {
  auto screen =
      open(in_terminal(shell("trap 'echo caught; exit 5' INT; read line; echo got $line; sleep 60")));
  run(io, screen.type("hello\n"));
  CHECK(run(io, screen.see("hello\r\ngot hello\r\n")));
  run(io, screen.type("\x03"));
  CHECK(exited(run(io, screen.finish()), 5));
  CHECK(screen.shown.ends_with("^Ccaught\r\n"));
}

TEST_CASE_METHOD(Fixture, "a resize is seen inside at once") {
  auto screen =
      open(in_terminal(shell("trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done")));
  REQUIRE(run(io, screen.see("ready")));
  run(io, screen.resize({41, 133}));
  CHECK(exited(run(io, screen.finish()), 0));
  CHECK(screen.shown.find("41 133") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "without a keyboard the terminal's input is at its end") {
  auto request = in_terminal(shell("cat; cat; read x || echo end"));
  request.stdin_stream = false;
  auto screen = open(request);
  CHECK(exited(run(io, screen.finish()), 0));
  CHECK(screen.shown == "end\r\n");
}

TEST_CASE_METHOD(Fixture, "a keyboard that ends ends the input behind what was typed") {
  const auto outcome =
      run(io, test::execute(client.get(), in_terminal(shell("cat | tr a-z A-Z")), "one\ntwo"));
  REQUIRE(outcome.exit);
  CHECK(outcome.out.ends_with("ONE\r\nTWO"));
}

TEST_CASE_METHOD(Fixture, "a megabyte that is pasted arrives whole") {
  std::string text;
  while (text.size() < 1'000'000) text += "line " + std::to_string(text.size()) + "\r";
  auto screen = open(
      in_terminal(shell("stty raw -echo; echo ready; head -c " + std::to_string(text.size()) + " | cksum")));
  REQUIRE(run(io, screen.see("ready")));
  constexpr std::size_t kPiece = 32768;
  for (std::size_t at = 0; at < text.size(); at += kPiece) run(io, screen.type(text.substr(at, kPiece)));
  CHECK(exited(run(io, screen.finish()), 0));
  auto piped = shell("cksum");
  piped.stdin_stream = true;
  const auto expected = run(io, test::execute(client.get(), piped, text));
  CHECK(screen.shown.find(expected.out.substr(0, expected.out.find('\n'))) != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "a client that does not read holds up the command, and Ctrl-C still ends it") {
  auto screen =
      open(in_terminal(shell("trap 'exit 3' INT; while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done")));
  REQUIRE(run(io, screen.see("yyy")));
  run(io, pause(300ms));
  run(io, screen.type("\x03"));
  CHECK(exited(run(io, screen.finish()), 3));
  CHECK(screen.shown.size() < 2'000'000);
}

TEST_CASE_METHOD(Fixture, "a session outlives its client and shows the last of its output again") {
  auto first = open(in_terminal(shell("echo began; read line; echo got $line; read line; exit 4")));
  REQUIRE(run(io, first.see("began")));
  first.drop();
  REQUIRE(list().terminals.size() == 1);
  const auto info = list().terminals[0];
  CHECK(info.session == first.session);
  CHECK(info.command.starts_with("sh -c echo began;"));
  CHECK(info.size == TerminalSize{30, 100});
  auto second = attach(first.session, {50, 90});
  REQUIRE(run(io, second.see("began")));
  CHECK(list().terminals[0].clients == 1);
  CHECK(list().terminals[0].size == TerminalSize{50, 90});
  auto third = attach(first.session);
  run(io, second.type("both\n"));
  CHECK(run(io, third.see("got both")));
  run(io, third.type("\n"));
  CHECK(exited(run(io, second.finish()), 4));
  CHECK(exited(run(io, third.finish()), 4));
  CHECK(list().terminals.empty());
}

TEST_CASE_METHOD(Fixture, "a session outlives the connection, and runs on unheld by it") {
  auto screen = open(in_terminal(shell("echo began; read line; seq 300000; echo done; read line; exit 6")));
  REQUIRE(run(io, screen.see("began")));
  run(io, screen.type("go\n"));
  REQUIRE(run(io, screen.see("1\r\n2\r\n")));
  client.reset();
  client = agent.connect(io);
  auto again = attach(screen.session);
  REQUIRE(run(io, again.see("done\r\n")));
  run(io, again.type("\n"));
  CHECK(exited(run(io, again.finish()), 6));
}

TEST_CASE_METHOD(ShortLease, "a session that nobody comes back to is hung up") {
  auto screen = open(in_terminal(shell("echo began; sleep 600")));
  REQUIRE(run(io, screen.see("began")));
  run(io, pause(700ms));
  CHECK(list().terminals.size() == 1);
  screen.drop();
  CHECK(ends(screen.session));
  auto stubborn = open(in_terminal(shell("trap '' HUP; echo began; while :; do sleep 1; done")));
  REQUIRE(run(io, stubborn.see("began")));
  stubborn.drop();
  CHECK(ends(stubborn.session));
}

TEST_CASE_METHOD(Fixture, "a removed session ends, and its clients learn how") {
  auto screen = open(in_terminal(shell("echo began; sleep 600")));
  REQUIRE(run(io, screen.see("began")));
  CHECK(ask(kRemoveTerminalPath, encode(TerminalId{screen.session})).first == 200);
  const auto exit = run(io, screen.finish());
  REQUIRE(exit);
  CHECK(exit->kind == ExecExit::Kind::kSignaled);
  CHECK(exit->value == SIGHUP);
  CHECK(ends(screen.session));
}

TEST_CASE_METHOD(Fixture, "a removed session ends although a client does not read") {
  auto screen = open(in_terminal(shell("trap '' HUP; yes")));
  REQUIRE(run(io, screen.see("y")));
  run(io, pause(200ms));
  CHECK(ask(kRemoveTerminalPath, encode(TerminalId{screen.session})).first == 200);
  CHECK(ends(screen.session));
}

TEST_CASE_METHOD(Fixture, "what a command leaves behind on its terminal is hung up") {
  auto screen = open(in_terminal(shell("sleep 600 & echo $!")));
  CHECK(exited(run(io, screen.finish()), 0));
  CHECK(ends(screen.session));
}

TEST_CASE_METHOD(Fixture, "a time limit ends a session") {
  auto request = in_terminal(shell("sleep 600"));
  request.timeout = 200ms;
  auto screen = open(request);
  const auto exit = run(io, screen.finish());
  REQUIRE(exit);
  CHECK(exit->kind == ExecExit::Kind::kTimedOut);
}

TEST_CASE_METHOD(Fixture, "a command that cannot start leaves no session") {
  const auto outcome = run(io, test::execute(client.get(), in_terminal(command({"no-such-command-here"}))));
  REQUIRE(outcome.failure);
  CHECK(outcome.failure->kind == ExecFailure::Kind::kNotFound);
  CHECK(list().terminals.empty());
}

TEST_CASE_METHOD(Fixture, "requests about sessions that are not there, or are none, are refused") {
  CHECK(ask(kRemoveTerminalPath, encode(TerminalId{99999999})).first == 404);
  CHECK(ask(kRemoveTerminalPath, std::vector<std::byte>(7)).first == 400);
  CHECK(ask(kAttachPath, encode_frame(FrameKind::kAttach, encode(AttachRequest{99999999, {}}))).first == 404);
  CHECK(ask(kAttachPath, encode_frame(FrameKind::kAttach, std::vector<std::byte>(3))).first == 400);
  CHECK(ask(kAttachPath, encode_frame(FrameKind::kSignal, std::vector<std::byte>(1))).first == 0);
  expect_alive();
}

TEST_CASE_METHOD(Fixture, "a client that breaks the rules loses its stream, and the session goes on") {
  auto screen = open(in_terminal(shell("echo began; read line; exit 2")));
  REQUIRE(run(io, screen.see("began")));
  const auto with = [](FrameKind kind, std::size_t bytes) {
    return encode_frame(kind, std::vector<std::byte>(bytes));
  };
  for (const auto& frame :
       {with(FrameKind::kResize, 4), with(FrameKind::kResize, 3), with(FrameKind::kSignal, 1),
        with(FrameKind::kAttach, 5), with(FrameKind::kStdout, 5)}) {
    const auto stream = client->open_stream(kAttachPath).value();
    stream->write_now(encode_frame(FrameKind::kAttach, encode(AttachRequest{screen.session, {}})));
    stream->write_now(frame);
    Screen bad(stream);
    CHECK_FALSE(run(io, bad.finish()));
  }
  run(io, screen.type("\n"));
  CHECK(exited(run(io, screen.finish()), 2));
  // A resize is nothing to a command without a terminal.
  const auto plain = client->open_stream(kExecPath).value();
  run(io, keep_going(start(plain, command({"sleep", "60"}))));
  plain->write_now(encode_frame(FrameKind::kResize, encode_size({10, 10})));
  CHECK_FALSE(run(io, collect(plain)).trouble.empty());
  expect_alive();
}

TEST_CASE_METHOD(Fixture, "there is a bound on sessions") {
  std::vector<Screen> screens;
  for (std::size_t i = 0; i < kMaxTerminals; ++i) {
    screens.push_back(open(in_terminal(command({"sleep", "600"}))));
  }
  const auto outcome = run(io, test::execute(client.get(), in_terminal(command({"true"}))));
  REQUIRE(outcome.failure);
  CHECK(list().terminals.size() == kMaxTerminals);
  expect_alive();
}
