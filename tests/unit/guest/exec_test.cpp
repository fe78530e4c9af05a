// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/guest/agent_process.hpp"

// The agent's exec service in a process of its own, talked to by AgentClient over a socket pair.

using namespace tl;
using namespace tl::guest;
using namespace tl::guest::test;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  asio::io_context io;
  AgentProcess agent;
  std::unique_ptr<AgentClient> client = agent.connect(io);

  Outcome execute(ExecRequest request, std::string input = "") {
    return run(io, test::execute(client.get(), std::move(request), std::move(input)));
  }
  void expect_alive() {
    const auto outcome = execute(command({"echo", "alive"}));
    CHECK(outcome.out == "alive\n");
  }
};

bool exited(const Outcome& outcome, int code) {
  return outcome.exit && outcome.exit->kind == ExecExit::Kind::kExited && outcome.exit->value == code;
}

bool failed(const Outcome& outcome, ExecFailure::Kind kind) {
  return outcome.failure && outcome.failure->kind == kind;
}

asio::awaitable<bool> pause(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return true;
}

// Until the file is there, for at most a minute.
bool appears(asio::io_context& io, const std::string& path) {
  for (int i = 0; i < 6000; ++i) {
    if (::access(path.c_str(), F_OK) == 0) return true;
    run(io, pause(10ms));
  }
  return false;
}

struct TempFolder {
  TempFolder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~TempFolder() { static_cast<void>(::system(("rm -rf " + path).c_str())); }
  std::string path = "/tmp/tl-exec-test-XXXXXX";
};

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  std::uint32_t state = 1;
  for (char& c : text) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "a command's output and exit code come back") {
  const auto outcome = execute(shell("echo out; echo err >&2; exit 7"));
  CHECK(outcome.out == "out\n");
  CHECK(outcome.err == "err\n");
  CHECK(exited(outcome, 7));
  REQUIRE(outcome.started);
  CHECK(outcome.started->pid > 1);
  CHECK(outcome.trouble.empty());
}

TEST_CASE_METHOD(Fixture, "arguments and environment arrive byte for byte") {
  const std::string odd = "a\nb\t\"q\" 'single' $HOME \\ \xC3\xA4 \xFF\xFE";
  auto request = command({"printf", "%s|", odd, "", "-n"});
  CHECK(execute(request).out == odd + "||-n|");
  request = shell("printf '%s|%s' \"$ODD\" \"$TWICE\"");
  request.environment = {{"TWICE", "1"}, {"ODD", odd}, {"TWICE", "2"}};
  CHECK(execute(request).out == odd + "|2");
}

TEST_CASE_METHOD(Fixture, "a very long argument list arrives") {
  ExecRequest request = shell("echo $#");
  request.argv.push_back("sh");
  for (int i = 0; i < 10'000; ++i) request.argv.push_back(std::string(50, 'x'));
  CHECK(execute(request).out == "10000\n");
  request.argv.push_back(std::string(kMaxFramePayload * 4, 'x'));  // one argument beyond the kernel's bound
  const auto outcome = execute(request);
  CHECK(failed(outcome, ExecFailure::Kind::kOther));
}

TEST_CASE_METHOD(Fixture, "PATH of the environment decides where a command is looked up") {
  TempFolder folder;
  const std::string path = folder.path + "/tool";
  const auto made = execute(shell("printf '#!/bin/sh\\necho mine' > " + path + "; chmod 755 " + path));
  REQUIRE(exited(made, 0));
  auto request = command({"tool"});
  CHECK(failed(execute(request), ExecFailure::Kind::kNotFound));
  request.environment = {{"PATH", "/nonexistent:" + folder.path + ":/bin"}};
  CHECK(execute(request).out == "mine\n");
  request.working_directory = folder.path;
  request.environment = {{"PATH", ""}};  // an empty entry is the working directory
  CHECK(execute(request).out == "mine\n");
}

TEST_CASE_METHOD(Fixture, "a command that cannot start says why") {
  CHECK(failed(execute(command({"no-such-command-here"})), ExecFailure::Kind::kNotFound));
  CHECK(failed(execute(command({"/etc/passwd"})), ExecFailure::Kind::kNotExecutable));
  CHECK(failed(execute(command({"/"})), ExecFailure::Kind::kNotExecutable));
  CHECK(failed(execute(command({""})), ExecFailure::Kind::kNotFound));
  auto request = command({"true"});
  request.working_directory = "/no/such/folder";
  const auto outcome = execute(request);
  CHECK(failed(outcome, ExecFailure::Kind::kNoSuchDirectory));
  CHECK(outcome.failure->message == "change to /no/such/folder: No such file or directory");
  request = command({"true"});
  request.user = "nobody-has-this-name";
  CHECK(failed(execute(request), ExecFailure::Kind::kNoSuchUser));
  request.user = "x:y";
  CHECK(failed(execute(request), ExecFailure::Kind::kNoSuchUser));
  request.argv = {std::string(300'000, 'x')};
  request.user = "0";
  CHECK(execute(request).failure);
  expect_alive();
}

TEST_CASE_METHOD(Fixture, "a command is told who it is and where") {
  auto request = shell("pwd; umask; echo $HOME; cat; ps -o sid= -p $$ | tr -d ' '");
  request.working_directory = "/usr";
  request.environment = {{"HOME", "/elsewhere"}};
  const auto outcome = execute(request);
  CHECK(outcome.out == "/usr\n0022\n/elsewhere\n" + std::to_string(outcome.started->pid) + "\n");
  if (::getuid() == 0) {
    auto other = command({"id"});
    other.user = "12345:23456";
    CHECK(execute(other).out == "uid=12345 gid=23456 groups=23456\n");
    other.user = "12345";
    CHECK(execute(other).out == "uid=12345 gid=0(root) groups=0(root)\n");
  }
}

TEST_CASE_METHOD(Fixture, "signals have their default dispositions and none is blocked") {
  const auto outcome = execute(command({"cat", "/proc/self/status"}));
  for (const char* set : {"SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"}) {
    CHECK(outcome.out.find(std::string("\n") + set + ":\t0000000000000000\n") != std::string::npos);
  }
}

TEST_CASE_METHOD(Fixture, "a command has no descriptors but its own") {
  CHECK(execute(shell("ls /proc/self/fd | tr '\\n' ' '")).out ==
        "0 1 2 3 ");  // 3 is the folder that ls reads
}

TEST_CASE_METHOD(Fixture, "without a stdin stream stdin is empty") {
  CHECK(execute(command({"cat"})).out.empty());
  CHECK(execute(command({"readlink", "/proc/self/fd/0"})).out == "/dev/null\n");
}

TEST_CASE_METHOD(Fixture, "binary stdin of ten megabytes comes back from cat unchanged") {
  auto request = command({"cat"});
  request.stdin_stream = true;
  const std::string input = pattern(10'000'000);
  const auto outcome = execute(request, input);
  CHECK(outcome.out == input);  // no digest needed: here it is
  CHECK(exited(outcome, 0));
  CHECK(outcome.stdin_taken <= input.size());
}

TEST_CASE_METHOD(Fixture, "a command that does not read its stdin ends without trouble") {
  auto request = command({"true"});
  request.stdin_stream = true;
  CHECK(exited(execute(request, pattern(3'000'000)), 0));
  request = shell("exec 0<&-; sleep 0.2; echo done");
  request.stdin_stream = true;
  CHECK(execute(request, pattern(3'000'000)).out == "done\n");
}

TEST_CASE_METHOD(Fixture, "much output on both descriptors is kept apart and complete") {
  const auto outcome =
      execute(shell("head -c 3000000 /dev/zero & head -c 2000000 /dev/zero | tr '\\0' x >&2; wait"));
  CHECK(outcome.out == std::string(3'000'000, '\0'));
  CHECK(outcome.err == std::string(2'000'000, 'x'));
}

TEST_CASE_METHOD(Fixture, "a signal reaches the whole process group") {
  auto stream = client->open_stream(kExecPath).value();
  TempFolder folder;
  const std::string ready = folder.path + "/ready";
  const auto script = "trap 'echo caught' USR1; (trap 'echo child; exit' USR1; : > " + ready +
                      "; while :; do sleep 0.01; done) & wait; wait; echo end";
  run(io, keep_going(start(stream, shell(script))));
  REQUIRE(appears(io, ready));
  run(io, keep_going(send(stream, FrameKind::kSignal, std::string(1, SIGUSR1))));
  const auto outcome = run(io, collect(stream));
  CHECK(outcome.out.find("caught\n") != std::string::npos);
  CHECK(outcome.out.find("child\n") != std::string::npos);
  CHECK(outcome.out.ends_with("end\n"));
}

TEST_CASE_METHOD(Fixture, "a command that a signal ends reports the signal") {
  const auto outcome = execute(shell("kill -9 $$"));
  REQUIRE(outcome.exit);
  CHECK(outcome.exit->kind == ExecExit::Kind::kSignaled);
  CHECK(outcome.exit->value == 9);
}

TEST_CASE_METHOD(Fixture, "a signal passes stdin that nobody reads") {
  auto request = command({"sleep", "1000"});
  request.stdin_stream = true;
  auto stream = client->open_stream(kExecPath).value();
  run(io, keep_going(start(stream, request)));
  for (std::size_t sent = 0; sent + kMaxFramePayload <= kStdinAhead; sent += kMaxFramePayload) {
    run(io, keep_going(send(stream, FrameKind::kStdin, std::string(kMaxFramePayload, 'x'))));
  }
  run(io, keep_going(send(stream, FrameKind::kSignal, std::string(1, SIGKILL))));
  const auto outcome = run(io, collect(stream));
  REQUIRE(outcome.exit);
  CHECK(outcome.exit->value == SIGKILL);
}

TEST_CASE_METHOD(Fixture, "a command over its time gets TERM and says so") {
  auto request = shell("trap 'echo asked; exit 3' TERM; echo begun; while :; do sleep 0.01; done");
  request.timeout = 300ms;
  const auto outcome = execute(request);
  REQUIRE(outcome.exit);
  CHECK(outcome.exit->kind == ExecExit::Kind::kTimedOut);
  CHECK(outcome.out == "begun\nasked\n");
  CHECK(outcome.exit->value == 3);
}

TEST_CASE_METHOD(Fixture, "a group that ignores TERM is killed") {
  auto request = shell("trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000");
  request.timeout = 100ms;
  const auto outcome = execute(request);
  REQUIRE(outcome.exit);
  CHECK(outcome.exit->kind == ExecExit::Kind::kTimedOut);
  CHECK(outcome.exit->value == SIGKILL);
  const pid_t child = std::stoi(outcome.out);
  const std::string state = "/proc/" + std::to_string(child) + "/stat";
  // Gone, or a zombie that its adopter has not waited for.
  const auto look = execute(shell("cat " + state + " 2>/dev/null | cut -d' ' -f3"));
  CHECK((look.out.empty() || look.out == "Z\n"));
}

TEST_CASE_METHOD(Fixture, "a child in the background does not keep the exchange open") {
  const auto begin = std::chrono::steady_clock::now();
  const auto outcome = execute(shell("echo before; sleep 600 & echo $!"));
  CHECK(std::chrono::steady_clock::now() - begin < 300s);
  CHECK(outcome.out.starts_with("before\n"));
  CHECK(exited(outcome, 0));
  ::kill(std::stoi(outcome.out.substr(7)), SIGKILL);
}

TEST_CASE_METHOD(Fixture, "everything that was written before the end arrives even if the reader is slow") {
  // More than fits the stream's window and queue, so that the pipe is full when the command ends.
  const auto outcome = execute(shell("sleep 600 & head -c 1000000 /dev/zero; echo $! >&2"));
  CHECK(outcome.out.size() == 1'000'000);
  ::kill(std::stoi(outcome.err), SIGKILL);
}

TEST_CASE_METHOD(Fixture, "a client that goes away hangs up on the command") {
  TempFolder folder;
  const std::string ready = folder.path + "/ready", hung = folder.path + "/hung";
  auto stream = client->open_stream(kExecPath).value();
  run(io, keep_going(start(stream, shell("trap ': > " + hung + "; exit' HUP; : > " + ready +
                                         "; while :; do sleep 0.01; done"))));
  REQUIRE(appears(io, ready));
  stream->reset(http2::Reset::kCancel);
  CHECK(appears(io, hung));
  expect_alive();
}

TEST_CASE_METHOD(Fixture, "a client that goes away while its stdin is stuck hangs up too") {
  TempFolder folder;
  const std::string ready = folder.path + "/ready", hung = folder.path + "/hung";
  auto stream = client->open_stream(kExecPath).value();
  auto request = shell("trap ': > " + hung + "; exit' HUP; : > " + ready + "; while :; do sleep 0.01; done");
  request.stdin_stream = true;
  run(io, keep_going(start(stream, request)));
  for (std::size_t sent = 0; sent < 2 * kStdinAhead; sent += kMaxFramePayload) {
    stream->write_now(encode_frame(FrameKind::kStdin, std::vector<std::byte>(kMaxFramePayload)));
  }
  REQUIRE(appears(io, ready));
  run(io, pause(50ms));
  stream->reset(http2::Reset::kCancel);
  CHECK(appears(io, hung));
}

TEST_CASE_METHOD(Fixture, "a lost link hangs up and another session works") {
  TempFolder folder;
  const std::string ready = folder.path + "/ready", hung = folder.path + "/hung";
  auto stream = client->open_stream(kExecPath).value();
  run(io, keep_going(start(stream, shell("trap ': > " + hung + "; exit' HUP; : > " + ready +
                                         "; while :; do sleep 0.01; done"))));
  REQUIRE(appears(io, ready));
  client.reset();
  // The socket stays open, as a virtio port does for a while: only the new handshake tells.
  client = agent.connect(io);
  CHECK(appears(io, hung));
  expect_alive();
}

TEST_CASE_METHOD(Fixture, "a hundred commands at once") {
  std::vector<std::optional<Outcome>> outcomes(100);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    auto request = shell("cat; echo " + std::to_string(i) + " >&2; exit " + std::to_string(i));
    request.stdin_stream = true;
    asio::co_spawn(io, keep_result(test::execute(client.get(), request, pattern(20'000 + i)), &outcomes[i]),
                   asio::detached);
  }
  const auto missing = [&] {
    return std::any_of(outcomes.begin(), outcomes.end(), [](const auto& outcome) { return !outcome; });
  };
  io.restart();
  while (missing()) io.run_one();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    CHECK(outcomes[i]->out == pattern(20'000 + i));
    CHECK(outcomes[i]->err == std::to_string(i) + "\n");
    CHECK(exited(*outcomes[i], static_cast<int>(i)));
  }
}

TEST_CASE_METHOD(Fixture, "a reader that stalls stops its command and no other") {
  auto stalled = client->open_stream(kExecPath).value();
  run(io, keep_going(start(stalled, shell("yes"))));
  run(io, pause(100ms));
  for (int i = 0; i < 5; ++i) {
    const auto outcome = execute(shell("head -c 2000000 /dev/zero"));
    CHECK(outcome.out.size() == 2'000'000);
  }
  stalled->reset(http2::Reset::kCancel);
  expect_alive();
}

TEST_CASE_METHOD(Fixture, "frames that must not come end the exchange only") {
  const auto outcome_of = [&](FrameKind kind, std::string payload) {
    auto stream = client->open_stream(kExecPath).value();
    run(io, keep_going(start(stream, command({"sleep", "1000"}))));
    run(io, keep_going(send(stream, kind, std::move(payload))));
    return run(io, collect(stream));
  };
  CHECK_FALSE(outcome_of(FrameKind::kStart, "again").trouble.empty());
  CHECK_FALSE(outcome_of(FrameKind::kStdin, "was not asked for").trouble.empty());
  CHECK_FALSE(outcome_of(FrameKind::kStdout, "the wrong way").trouble.empty());
  CHECK_FALSE(outcome_of(FrameKind::kSignal, std::string(1, '\0')).trouble.empty());
  CHECK_FALSE(outcome_of(FrameKind::kSignal, "\x41").trouble.empty());  // 65
  CHECK_FALSE(outcome_of(FrameKind::kSignal, "").trouble.empty());
  auto stream = client->open_stream(kExecPath).value();
  run(io, keep_going(send(stream, FrameKind::kStdinEnd, "")));  // before any start
  CHECK_FALSE(run(io, collect(stream)).trouble.empty());
  stream = client->open_stream(kExecPath).value();
  run(io, keep_going(send(stream, FrameKind::kStart, "not CBOR")));
  CHECK(failed(run(io, collect(stream)), ExecFailure::Kind::kOther));
  expect_alive();
}

TEST_CASE_METHOD(Fixture, "a client that has nothing more to say still hears the answer") {
  auto stream = client->open_stream(kExecPath).value();
  auto request = shell("cat; sleep 0.1; echo end");
  request.stdin_stream = true;
  run(io, keep_going(start(stream, request)));
  run(io, keep_going(send(stream, FrameKind::kStdin, "words ")));
  stream->finish();
  CHECK(run(io, collect(stream)).out == "words end\n");
}

TEST_CASE_METHOD(Fixture, "zombies of orphans do not disturb the agent") {
  for (int i = 0; i < 20; ++i) execute(shell("(sleep 0.01 &) ; (true &)"));
  expect_alive();
}
