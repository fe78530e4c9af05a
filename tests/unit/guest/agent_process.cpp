// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/guest/agent_process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <asio/detached.hpp>

#include "runtime/guest/agent/link.hpp"
#include "runtime/guest/agent/metrics.hpp"
#include "runtime/guest/agent/service.hpp"
#include "runtime/guest/agent/signals.hpp"
#include "tests/support/catch.hpp"

namespace tl::guest::test {
namespace {

[[noreturn]] void run_agent(UniqueFd port, const std::string& group_folder,
                            std::chrono::milliseconds terminal_lease) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  prepare_signals(none);
  ::fcntl(port.get(), F_SETFL, O_NONBLOCK);
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);  // what the tests' caller left open
  asio::io_context io(1);
  const Log log(-1);
  auto reaper = Reaper::create(io.get_executor());
  asio::co_spawn(io, reaper->run(), asio::detached);
  JobThread jobs;
  StartGate gate(io.get_executor());
  ControlGroups groups(group_folder);
  static_cast<void>(groups.make());
  TimerAlarm freeze_alarm(io.get_executor()), quiescence_alarm(io.get_executor());
  const auto fine = [] { return Result<void>(); };
  RootFreeze freeze(io.get_executor(), {fine, fine, fine}, jobs, gate, freeze_alarm, log);
  Quiescence quiescence(io.get_executor(), groups, gate, quiescence_alarm, log);
  ExecContext context{io.get_executor(),
                      *reaper,
                      groups,
                      gate,
                      UserTable(),
                      {},
                      UniqueFd(::open(TL_AGENT, O_RDONLY | O_CLOEXEC)),
                      UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC))};
  const auto configure = [](Configuration configuration) -> asio::awaitable<ConfigureReport> {
    co_return ConfigureReport{configuration.hostname == "bad" ? "it is bad" : ""};
  };
  const auto take_identity = [&group_folder](const Configuration& configuration) {
    std::ofstream(std::filesystem::path(group_folder) / "hostname") << configuration.hostname;
    return ConfigureReport();
  };
  Terminals terminals(context, terminal_lease);
  Processes processes(context);
  Service service(context, {terminals, processes}, {freeze, quiescence},
                  {configure, take_identity, read_metrics}, log);
  service.reach(Service::Stage::kWhole);
  auto link =
      Link::create(io.get_executor(), std::move(port),
                   {[&service](std::shared_ptr<http2::Stream> stream) { service.accept(std::move(stream)); },
                    [&service] { service.session_ended(); }},
                   log);
  bool greeted = false;
  asio::co_spawn(io, link->run(greeted), asio::detached);
  io.run();
  ::_exit(3);
}

}  // namespace

AgentProcess::AgentProcess(std::chrono::milliseconds terminal_lease) {
  groups_.add("tl", true);
  auto ends = stream_socket_pair();
  REQUIRE(ends);
  pid_ = ::fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    ends->first.reset();
    run_agent(std::move(ends->second), groups_.folder, terminal_lease);
  }
  host_end_ = std::move(ends->first);
}

AgentProcess::~AgentProcess() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

UniqueFd AgentProcess::link() const {
  auto copy = duplicate(host_end_);
  REQUIRE(copy);
  return std::move(*copy);
}

std::unique_ptr<AgentClient> AgentProcess::connect(asio::io_context& io) {
  auto client =
      run(io, AgentClient::connect(link(), {std::chrono::seconds(60), std::chrono::milliseconds(200)}));
  if (!client) FAIL(client.error().message);
  return std::move(*client);
}

bool AgentProcess::alive() const {
  return ::waitpid(pid_, nullptr, WNOHANG) == 0;
}

ExecRequest command(std::vector<std::string> argv) {
  ExecRequest request;
  request.argv = std::move(argv);
  request.user = std::to_string(::getuid()) + ":" + std::to_string(::getgid());
  return request;
}

ExecRequest shell(std::string script) {
  return command({"sh", "-c", std::move(script)});
}

asio::awaitable<void> send(std::shared_ptr<http2::Stream> stream, FrameKind kind, std::string payload) {
  const auto frame = encode_frame(kind, std::as_bytes(std::span(payload)));
  const auto sent = co_await stream->write(frame);
  static_cast<void>(sent);
}

asio::awaitable<void> start(std::shared_ptr<http2::Stream> stream, ExecRequest request) {
  const auto frame = encode_frame(FrameKind::kStart, encode(request));
  const auto sent = co_await stream->write(frame);
  static_cast<void>(sent);
}

asio::awaitable<Outcome> collect(std::shared_ptr<http2::Stream> stream) {
  Outcome outcome;
  const auto status = co_await stream->status();
  if (!status || *status != 200) {
    outcome.trouble = status ? "status " + std::to_string(*status) : status.error().message;
    co_return outcome;
  }
  FrameReader frames(stream);
  for (;;) {
    const auto frame = co_await frames.next();
    if (!frame) {
      if (!frames.at_end()) outcome.trouble = frame.error().message;
      co_return outcome;
    }
    const auto* text = reinterpret_cast<const char*>(frame->payload.data());
    if (frame->kind == FrameKind::kStdout) outcome.out.append(text, frame->payload.size());
    if (frame->kind == FrameKind::kStderr) outcome.err.append(text, frame->payload.size());
    if (frame->kind == FrameKind::kStarted) outcome.started = decode<ExecStarted>(frame->payload).value();
    if (frame->kind == FrameKind::kExit) outcome.exit = decode<ExecExit>(frame->payload).value();
    if (frame->kind == FrameKind::kFailed) outcome.failure = decode<ExecFailure>(frame->payload).value();
    if (frame->kind == FrameKind::kStdinTaken) outcome.stdin_taken += decode_u32(frame->payload).value();
  }
}

namespace {

asio::awaitable<void> send_input(std::shared_ptr<http2::Stream> stream, std::string input) {
  for (std::size_t at = 0; at < input.size(); at += kMaxFramePayload) {
    const auto piece =
        std::as_bytes(std::span(input).subspan(at, std::min(kMaxFramePayload, input.size() - at)));
    const auto sent = co_await stream->write(encode_frame(FrameKind::kStdin, piece));
    if (!sent) co_return;
  }
  co_await send(stream, FrameKind::kStdinEnd, "");
}

}  // namespace

asio::awaitable<Outcome> execute(AgentClient* client, ExecRequest request, std::string input) {
  const auto stream = client->open_stream(kExecPath).value();
  const bool with_input = request.stdin_stream;
  co_await start(stream, std::move(request));
  if (with_input) {
    const auto executor = co_await asio::this_coro::executor;
    asio::co_spawn(executor, send_input(stream, std::move(input)), asio::detached);
  }
  auto outcome = co_await collect(stream);
  co_return outcome;
}

asio::awaitable<Outcome> move_files(AgentClient* client, FilesRequest request, std::string input) {
  const auto stream = client->open_stream(kFilesPath).value();
  const auto frame = encode_frame(FrameKind::kStart, encode(request));
  const auto sent = co_await stream->write(frame);
  static_cast<void>(sent);
  if (request.operation == FilesRequest::Operation::kPut) {
    const auto executor = co_await asio::this_coro::executor;
    asio::co_spawn(executor, send_input(stream, std::move(input)), asio::detached);
  }
  auto outcome = co_await collect(stream);
  co_return outcome;
}

}  // namespace tl::guest::test
