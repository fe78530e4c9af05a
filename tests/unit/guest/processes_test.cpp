// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/processes.hpp"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "common/io.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/guest/agent_process.hpp"

// Detached and supervised processes: the agent's service in a process of its own, as in exec_test.cpp.

using namespace tl;
using namespace tl::guest;
using namespace tl::guest::test;
using namespace std::chrono_literals;

namespace {

using StreamPtr = std::shared_ptr<http2::Stream>;
using Status = ProcessInfo::Status;
using Answered = ProcessAnswer::Outcome;

asio::awaitable<bool> pause(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return true;
}

asio::awaitable<std::pair<int, std::string>> exchange(StreamPtr stream, std::vector<std::byte> body) {
  stream->write_now(body);
  stream->finish();
  const auto status = co_await stream->status();
  std::string text;
  std::vector<std::byte> piece(4096);
  for (;;) {
    const auto n = co_await stream->read_some(piece);
    if (!n || *n == 0) break;
    text.append(reinterpret_cast<const char*>(piece.data()), *n);
  }
  co_return std::pair(status ? *status : 0, text);
}

// The text of a log; with "!" behind it when it broke off.
asio::awaitable<std::string> read_log(StreamPtr stream, LogsRequest request) {
  stream->write_now(encode(request));
  stream->finish();
  const auto status = co_await stream->status();
  if (!status || *status != 200) co_return "status " + std::to_string(status ? *status : 0);
  FrameReader frames(stream);
  std::string text;
  for (;;) {
    const auto frame = co_await frames.next();
    if (!frame) co_return text + (frames.at_end() ? "" : "!");
    text += decode<LogPiece>(frame->payload).value().bytes;
  }
}

struct Folder {
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "tl-processes-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

struct Fixture {
  Folder folder;
  asio::io_context io;
  AgentProcess agent;
  std::unique_ptr<AgentClient> client = agent.connect(io);

  // What was detached would outlive the agent.
  ~Fixture() {
    for (const auto& process : list().processes) {
      if (!process.ended()) ::kill(-static_cast<pid_t>(process.pid), SIGKILL);
    }
  }
  Outcome detach(std::string script, Detachment detachment = {}) {
    ExecRequest request = shell("cd " + folder.path.string() + "; " + std::move(script));
    request.detach = std::move(detachment);
    return run(io, execute(client.get(), std::move(request)));
  }
  std::int64_t pid_of(const Outcome& outcome) {
    INFO(outcome.trouble << (outcome.failure ? outcome.failure->message : ""));
    REQUIRE(outcome.started);
    CHECK_FALSE(outcome.exit);
    return outcome.started->pid;
  }
  std::pair<int, std::string> ask(const char* path, std::vector<std::byte> body) {
    return run(io, exchange(client->open_stream(path).value(), std::move(body)));
  }
  ProcessAnswer tell(const char* path, std::string process, std::optional<int> signal = {}) {
    const auto [status, body] = ask(path, encode(ProcessRequest{std::move(process), signal}));
    REQUIRE(status == 200);
    return decode<ProcessAnswer>(std::as_bytes(std::span(body))).value();
  }
  ProcessAnswer kill(std::string process, std::optional<int> signal = {}) {
    return tell(kSignalProcessPath, std::move(process), signal);
  }
  ProcessAnswer restart(std::string process) { return tell(kRestartProcessPath, std::move(process)); }
  std::string log(LogsRequest request) {
    return run(io, read_log(client->open_stream(kLogsPath).value(), std::move(request)));
  }
  ProcessList list() {
    const auto [status, body] = ask(kProcessesPath, {});
    CHECK(status == 200);
    return decode<ProcessList>(std::as_bytes(std::span(body))).value();
  }
  ProcessInfo info(std::int64_t first_pid) {
    for (const auto& process : list().processes) {
      if (process.first_pid == first_pid) return process;
    }
    FAIL("process " << first_pid << " is not listed");
    return {};
  }
  // For at most a minute.
  ProcessInfo wait_for(std::int64_t first_pid, Status status) {
    for (int i = 0; i < 6000; ++i) {
      auto now = info(first_pid);
      if (now.status == status) return now;
      run(io, pause(10ms));
    }
    FAIL("it did not come so far");
    return {};
  }
  std::string file(const char* name) {
    std::ifstream in(folder.path / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static Detachment supervised(Detachment::Restart restart, std::optional<std::uint32_t> most = {}) {
    return {"svc", restart, most, 1ms, 1ms};
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a detached command outlives its client, and its log has what it wrote") {
  const auto pid = pid_of(detach("read x; echo out \"$x\"; echo err >&2; kill -STOP $$; echo more; exit 3"));
  client.reset();
  client = agent.connect(io);
  while (log({std::to_string(pid)}) != "out \nerr\n") run(io, pause(5ms));
  CHECK(info(pid).status == Status::kRunning);
  CHECK(info(pid).managed);
  CHECK(kill(std::to_string(pid), SIGCONT).outcome == Answered::kDone);
  const auto ended = wait_for(pid, Status::kExited);
  CHECK(ended.value == 3);
  CHECK(ended.finished >= ended.started);
  CHECK(log({std::to_string(pid), 2}) == "err\nmore\n");
  CHECK(log({std::to_string(pid), {}, true}) == "out \nerr\nmore\n");
}

TEST_CASE_METHOD(Fixture, "attached commands are listed too, and can be ended but not restarted") {
  const auto done = run(io, execute(client.get(), command({"true"})));
  REQUIRE(done.started);
  CHECK(info(done.started->pid).status == Status::kExited);
  CHECK_FALSE(info(done.started->pid).managed);
  CHECK(restart(std::to_string(done.started->pid)).outcome == Answered::kNotManaged);
  CHECK(kill(std::to_string(done.started->pid)).outcome == Answered::kEndedBefore);
  CHECK(log({std::to_string(done.started->pid)}) == "status 404");
  const auto stream = client->open_stream(kExecPath).value();
  run(io, keep_going(start(stream, shell("trap '' TERM; echo $$ > " + (folder.path / "pid").string() +
                                         "; while :; do sleep 1; done"))));
  while (!file("pid").ends_with('\n')) run(io, pause(5ms));
  CHECK(kill(std::to_string(std::stoi(file("pid")))).outcome == Answered::kDone);
  const auto outcome = run(io, collect(stream));
  REQUIRE(outcome.exit);
  CHECK(outcome.exit->value == SIGKILL);
}

TEST_CASE_METHOD(Fixture, "the host's own commands are nobody's business") {
  ExecRequest request = command({"true"});
  request.listed = false;
  CHECK(run(io, execute(client.get(), std::move(request))).exit);
  CHECK(list().processes.empty());
}

TEST_CASE_METHOD(Fixture, "a name is one process's while it runs") {
  const auto first = pid_of(detach("exec sleep 1000", {"web"}));
  const auto second = detach("exec sleep 1000", {"web"});
  REQUIRE(second.failure);
  CHECK(second.failure->kind == ExecFailure::Kind::kNameTaken);
  CHECK(kill("web").outcome == Answered::kDone);
  const auto ended = info(first);
  CHECK(ended.status == Status::kSignaled);
  CHECK(ended.value == SIGTERM);
  CHECK(kill("web").outcome == Answered::kEndedBefore);
  CHECK(kill("nobody").outcome == Answered::kNoSuchProcess);
  pid_of(detach("exec sleep 1000", {"web"}));
  CHECK(restart(std::to_string(first)).outcome == Answered::kNameTaken);
}

TEST_CASE_METHOD(Fixture, "what cannot be started says why") {
  ExecRequest request = command({"/no/such/program"});
  request.detach = Detachment{};
  const auto outcome = run(io, execute(client.get(), std::move(request)));
  REQUIRE(outcome.failure);
  CHECK(outcome.failure->kind == ExecFailure::Kind::kNotFound);
}

TEST_CASE_METHOD(Fixture, "a failing process is restarted as often as was said") {
  const auto pid =
      pid_of(detach("echo run | tee -a runs; exit 1", supervised(Detachment::Restart::kOnFailure, 3)));
  const auto ended = wait_for(pid, Status::kExited);
  CHECK(ended.value == 1);
  CHECK(ended.restarts == 3);
  CHECK(file("runs") == "run\nrun\nrun\nrun\n");
  CHECK(log({"svc"}) == "run\nrun\nrun\nrun\n");
}

TEST_CASE_METHOD(Fixture, "success ends on-failure, and not always") {
  const auto once = pid_of(detach("echo run >> once", supervised(Detachment::Restart::kOnFailure)));
  CHECK(wait_for(once, Status::kExited).restarts == 0);
  CHECK(file("once") == "run\n");
  const auto again = pid_of(detach("echo run >> again", supervised(Detachment::Restart::kAlways, 2)));
  CHECK(wait_for(again, Status::kExited).restarts == 2);
  CHECK(file("again") == "run\nrun\nrun\n");
}

TEST_CASE_METHOD(Fixture, "kill ends a supervised process for good, running or not") {
  const auto pid = pid_of(detach("exec sleep 1000", supervised(Detachment::Restart::kAlways)));
  CHECK(kill("svc").outcome == Answered::kDone);
  CHECK(info(pid).status == Status::kSignaled);
  auto slow = supervised(Detachment::Restart::kAlways);
  slow.initial_backoff = slow.max_backoff = 1h;
  const auto pausing = pid_of(detach("exit 4", slow));
  CHECK(wait_for(pausing, Status::kRestarting).value == 4);
  CHECK(kill("svc").outcome == Answered::kDone);
  CHECK(info(pausing).status == Status::kExited);
  const auto by_signal = pid_of(detach("exec sleep 1000", supervised(Detachment::Restart::kAlways)));
  CHECK(kill("svc", SIGKILL).outcome == Answered::kDone);
  CHECK(wait_for(by_signal, Status::kSignaled).restarts == 0);
}

TEST_CASE_METHOD(Fixture, "a signal that is no end leaves the supervision alone") {
  const auto pid = pid_of(detach("trap 'exit 0' HUP; echo up; while :; do sleep 0.01; done",
                                 supervised(Detachment::Restart::kAlways, 1)));
  while (log({"svc"}).empty()) run(io, pause(5ms));
  CHECK(kill("svc", SIGHUP).outcome == Answered::kDone);
  while (info(pid).restarts == 0) run(io, pause(5ms));
  CHECK(kill("svc").outcome == Answered::kDone);
}

TEST_CASE_METHOD(Fixture, "restart gives a new process under the same name and log") {
  const auto pid = pid_of(detach("echo $$ > pid; echo up; exec sleep 1000", {"web"}));
  while (log({"web"}) != "up\n") run(io, pause(5ms));
  const auto answer = restart("web");
  REQUIRE(answer.outcome == Answered::kDone);
  CHECK(answer.pid != pid);
  while (log({"web"}) != "up\nup\n") run(io, pause(5ms));
  const auto now = info(pid);
  CHECK(now.pid == answer.pid);
  CHECK(now.restarts == 1);
  CHECK(file("pid") == std::to_string(answer.pid) + "\n");
  CHECK(kill(std::to_string(pid)).outcome == Answered::kDone);
  const auto third = restart("web");
  CHECK(third.outcome == Answered::kDone);
  CHECK(info(pid).status == Status::kRunning);
}

TEST_CASE_METHOD(Fixture, "a restart that fails says why, and the log too") {
  const std::string script = (folder.path / "script").string();
  ExecRequest request = command({script});
  std::ofstream(script) << "#!/bin/sh\nexec sleep 1000\n";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  request.detach = Detachment{"web"};
  const auto pid = pid_of(run(io, execute(client.get(), std::move(request))));
  std::filesystem::remove(script);
  const auto answer = restart("web");
  CHECK(answer.outcome == Answered::kNotStarted);
  CHECK(answer.message.find("No such file") != std::string::npos);
  CHECK(wait_for(pid, Status::kExited).value == 127);
  CHECK(log({"web"}).find("No such file") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "what is left of the group goes with a process that is ended") {
  pid_of(detach("sh -c \"trap '' TERM; echo up; exec sleep 1000\" & echo $! > pid; wait", {"web"}));
  while (log({"web"}) != "up\n") run(io, pause(5ms));
  CHECK(kill("web").outcome == Answered::kDone);
  const pid_t left = std::stoi(file("pid"));
  while (::kill(left, 0) == 0) run(io, pause(5ms));
}

TEST_CASE_METHOD(Fixture, "a log is bounded, and its writer never waits") {
  const auto pid = pid_of(detach("head -c 8000000 /dev/zero | tr '\\0' x; echo; echo end"));
  wait_for(pid, Status::kExited);
  const auto text = log({std::to_string(pid)});
  CHECK(text.size() > kLogMemory / 2);
  CHECK(text.size() <= kLogMemory);
  CHECK(text.ends_with("x\nend\n"));
}

TEST_CASE_METHOD(Fixture, "something left behind does not keep a run from ending") {
  const auto pid = pid_of(detach("sleep 1000 & echo $! > pid; echo out; exit 5"));
  CHECK(wait_for(pid, Status::kExited).value == 5);
  CHECK(log({std::to_string(pid), {}, true}) == "out\n");
  ::kill(std::stoi(file("pid")), SIGKILL);
}

TEST_CASE_METHOD(Fixture, "a follower sees what comes, and the end") {
  pid_of(detach("echo one; while ! test -e go; do sleep 0.01; done; echo two", {"web"}));
  const auto stream = client->open_stream(kLogsPath).value();
  stream->write_now(encode(LogsRequest{"web", {}, true}));
  stream->finish();
  FrameReader frames(stream);
  CHECK(decode<LogPiece>(run(io, frames.next()).value().payload)->bytes == "one\n");
  // One that goes away harms nobody.
  const auto other = client->open_stream(kLogsPath).value();
  other->write_now(encode(LogsRequest{"web", {}, true}));
  other->finish();
  FrameReader others(other);
  CHECK(run(io, others.next()));
  other->reset(http2::Reset::kCancel);
  std::ofstream(folder.path / "go").put('x');
  CHECK(decode<LogPiece>(run(io, frames.next()).value().payload)->bytes == "two\n");
  CHECK_FALSE(run(io, frames.next()));
  CHECK(frames.at_end());
}

TEST_CASE_METHOD(Fixture, "requests that make no sense are refused and harm nobody") {
  for (const char* path : {kSignalProcessPath, kRestartProcessPath, kLogsPath}) {
    CHECK(ask(path, {}).first == 400);
    CHECK(ask(path, std::vector<std::byte>(100, std::byte{0xFF})).first == 400);
  }
  CHECK(log({"nobody"}) == "status 404");
  pid_of(detach("true"));
}

TEST_CASE_METHOD(Fixture, "too many at a time are refused") {
  for (std::size_t i = 0; i < kMaxDetached; ++i) pid_of(detach("exec sleep 1000"));
  const auto one_more = detach("true");
  REQUIRE(one_more.failure);
  CHECK(one_more.failure->kind == ExecFailure::Kind::kOther);
}
