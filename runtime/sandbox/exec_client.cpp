// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/exec_client.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "common/async_event.hpp"
#include "common/http2/session.hpp"
#include "common/printable.hpp"
#include "common/readiness.hpp"
#include "runtime/sandbox/exec_output.hpp"

// One io_context, one thread, three movers: a stdin to frames, our signal pipe to frames, frames to a
// stdout and a stderr. Nothing reads ahead: while our stdout is not writable no frame is read, the stream's
// window closes, and the command inside stops writing.
namespace tl {
namespace {

using guest::Frame;
using guest::FrameKind;
using StreamPtr = std::shared_ptr<http2::Stream>;

constexpr int kSignalBase = 128;
constexpr int kTimedOut = 124;
constexpr int kNotExecutable = 126;
constexpr int kNotFound = 127;
constexpr int kNoSuchSession = 404;        // an answer of the agent's
constexpr std::size_t kShownBytes = 1000;  // of a guest's own words

Error lost() {
  return Error{ErrorCode::kFailure, "the connection to the sandbox was lost", ""};
}

// How far our stdin is ahead of the command. Were it sent as fast as it comes, a command that does not read
// would close the stream's window, and a signal for it would be stuck behind the bytes.
struct StdinCredit {
  explicit StdinCredit(const asio::any_io_executor& executor) : changed(executor) {}
  std::size_t ahead = 0;  // bytes sent and not yet taken, at most kStdinAhead
  AsyncEvent changed;

  void taken(std::size_t bytes) {
    ahead -= std::min(bytes, ahead);
    changed.notify_all();
  }
};

// True at the end of stdin, false at that of the stream.
asio::awaitable<bool> forward_bytes(StreamPtr stream, std::shared_ptr<Readiness> readiness, int fd,
                                    std::shared_ptr<StdinCredit> credit, std::uint64_t* moved) {
  std::vector<std::byte> buffer(guest::kMaxFramePayload);
  for (;;) {
    while (credit->ahead + buffer.size() > guest::kStdinAhead) {
      if (stream->ended()) co_return false;
      co_await credit->changed.wait();
    }
    co_await readiness->wait();
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) co_return true;  // a stdin that cannot be read has no more to say
    const auto frame =
        guest::encode_frame(FrameKind::kStdin, std::span(buffer).first(static_cast<std::size_t>(n)));
    credit->ahead += static_cast<std::size_t>(n);
    *moved += static_cast<std::uint64_t>(n);
    const auto sent = co_await stream->write(frame);
    if (!sent) co_return false;
  }
}

asio::awaitable<void> forward_stdin(StreamPtr stream, std::shared_ptr<Readiness> readiness, int fd,
                                    std::shared_ptr<StdinCredit> credit, std::uint64_t* moved) {
  const bool at_end = co_await forward_bytes(stream, std::move(readiness), fd, std::move(credit), moved);
  if (!at_end) co_return;
  const auto end = guest::encode_frame(FrameKind::kStdinEnd, {});
  [[maybe_unused]] const auto sent = co_await stream->write(end);
}

asio::awaitable<void> forward_signals(StreamPtr stream, std::shared_ptr<Readiness> readiness, int fd) {
  for (;;) {
    co_await readiness->wait();
    std::byte number{};
    const ssize_t n = ::read(fd, &number, 1);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) co_return;
    const auto frame = guest::encode_frame(FrameKind::kSignal, std::span(&number, 1));
    const auto sent = co_await stream->write(frame);
    if (!sent) co_return;
  }
}

asio::awaitable<void> report_moved(std::function<void(std::uint64_t)> report, const std::uint64_t* moved) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (;;) {
    timer.expires_after(std::chrono::milliseconds(200));
    co_await timer.async_wait(asio::use_awaitable);
    report(*moved);
  }
}

Result<ExecOutcome> outcome_of_exit(const Frame& frame) {
  const auto exit = guest::decode<guest::ExecExit>(frame.payload);
  if (!exit) return exit.error();
  switch (exit->kind) {
    case guest::ExecExit::Kind::kTimedOut:
      return ExecOutcome{kTimedOut};
    case guest::ExecExit::Kind::kSignaled:
      return ExecOutcome{kSignalBase + exit->value};
    case guest::ExecExit::Kind::kExited:
      break;
  }
  return ExecOutcome{exit->value};
}

// 126 and 127 are the command's own fate, as a shell reports it, with the shell's sentence on stderr.
Result<ExecOutcome> outcome_of_failure(const Frame& frame) {
  using Kind = guest::ExecFailure::Kind;
  const auto failure = guest::decode<guest::ExecFailure>(frame.payload);
  if (!failure) return failure.error();
  const std::string message = make_printable(failure->message, kShownBytes);
  if (failure->kind == Kind::kNotFound) return ExecOutcome{kNotFound, message};
  if (failure->kind == Kind::kNotExecutable) return ExecOutcome{kNotExecutable, message};
  if (failure->kind == Kind::kNameTaken) {
    return Error{ErrorCode::kConflict, message, "choose another name, or end that one with 'tl sbx kill'"};
  }
  const bool malformed = failure->kind == Kind::kNoSuchUser || failure->kind == Kind::kNoSuchDirectory;
  return Error{malformed ? ErrorCode::kOutOfRange : ErrorCode::kFailure, message, ""};
}

// Everything that one exchange consists of. Lives as long as the io_context runs.
struct Exchange {
  asio::any_io_executor executor;
  std::shared_ptr<http2::Session> session;
  StreamPtr stream;
  ExecStreams streams;
  ExecOutput out, err;
  std::shared_ptr<StdinCredit> credit;
  std::optional<std::int64_t>& started;
  std::optional<Result<ExecOutcome>> outcome;
  std::uint64_t moved = 0;  // bytes of stdin and stdout
};

asio::awaitable<void> forward_size(StreamPtr stream, std::shared_ptr<Readiness> readiness,
                                   LocalTerminal* terminal) {
  for (;;) {
    co_await readiness->wait();
    const auto size = terminal->take_change();
    if (!size) continue;
    const auto sent =
        co_await stream->write(guest::encode_frame(FrameKind::kResize, guest::encode_size(*size)));
    if (!sent) co_return;
  }
}

// The session goes on without us.
void leave(Exchange& exchange, int signal) {
  ExecOutcome left{kSignalBase + signal};
  left.session_left = exchange.started;
  if (!exchange.outcome) exchange.outcome = std::move(left);
  exchange.session->close();
}

// A terminal whose end has come has hung up, whether or not SIGHUP is here yet.
asio::awaitable<void> forward_keys(Exchange* exchange, std::shared_ptr<Readiness> readiness) {
  const bool hung_up = co_await forward_bytes(exchange->stream, std::move(readiness), STDIN_FILENO,
                                              exchange->credit, &exchange->moved);
  if (hung_up) leave(*exchange, SIGHUP);
}

asio::awaitable<void> leave_at_signal(Exchange* exchange, std::shared_ptr<Readiness> readiness) {
  std::byte number{};
  do {
    co_await readiness->wait();
  } while (::read(exchange->streams.signals, &number, 1) != 1);
  leave(*exchange, std::to_integer<int>(number));
}

// Any signal ends the exchange.
asio::awaitable<void> hang_up_at_signal(Exchange* exchange, std::shared_ptr<Readiness> readiness) {
  co_await readiness->wait();
  if (!exchange->outcome) exchange->outcome = Error{ErrorCode::kFailure, "interrupted", ""};
  exchange->session->close();
}

Result<std::shared_ptr<Readiness>> readable(const Exchange& exchange, int fd) {
  auto readiness = Readiness::create(exchange.executor, fd, Readiness::For::kReading);
  if (!readiness) return readiness.error();
  return std::make_shared<Readiness>(*std::move(readiness));
}

Result<void> start_stdin(Exchange& exchange) {
  const int fd = exchange.streams.in;
  auto readiness = readable(exchange, fd);
  if (!readiness) return readiness.error();
  asio::co_spawn(exchange.executor,
                 forward_stdin(exchange.stream, *std::move(readiness), fd, exchange.credit, &exchange.moved),
                 asio::detached);
  return {};
}

Result<void> start_signals(Exchange& exchange) {
  const int fd = exchange.streams.signals;
  auto readiness = readable(exchange, fd);
  if (!readiness) return readiness.error();
  if (exchange.streams.terminal != nullptr) {
    asio::co_spawn(exchange.executor, leave_at_signal(&exchange, *std::move(readiness)), asio::detached);
  } else if (exchange.streams.on_signal == ExecStreams::OnSignal::kHangUp) {
    asio::co_spawn(exchange.executor, hang_up_at_signal(&exchange, *std::move(readiness)), asio::detached);
  } else {
    asio::co_spawn(exchange.executor, forward_signals(exchange.stream, *std::move(readiness), fd),
                   asio::detached);
  }
  return {};
}

// Keys are the command's from its start on, not earlier: until then Ctrl-C is meant for us.
Result<void> hand_over_terminal(Exchange& exchange) {
  LocalTerminal* terminal = exchange.streams.terminal;
  if (auto raw = terminal->enter_raw(); !raw) return raw;
  auto changes = readable(exchange, terminal->changes());
  if (!changes) return changes.error();
  asio::co_spawn(exchange.executor, forward_size(exchange.stream, *std::move(changes), terminal),
                 asio::detached);
  auto keys = readable(exchange, STDIN_FILENO);
  if (!keys) return keys.error();
  asio::co_spawn(exchange.executor, forward_keys(&exchange, *std::move(keys)), asio::detached);
  return {};
}

Error makes_no_sense() {
  return Error{ErrorCode::kFailure, "the sandbox's agent sent a frame that makes no sense", ""};
}

asio::awaitable<Result<ExecOutcome>> receive(Exchange& exchange) {
  const auto status = co_await exchange.stream->status();
  if (!status) co_return lost();
  if (*status == kNoSuchSession) co_return Error{ErrorCode::kNotFound, "there is no such session", ""};
  if (*status != 200) co_return Error{ErrorCode::kFailure, "the sandbox refused the request", ""};
  guest::FrameReader reader(exchange.stream);
  for (;;) {
    const auto frame = co_await reader.next();
    if (!frame) co_return lost();
    if (frame->kind == FrameKind::kExit) co_return outcome_of_exit(*frame);
    if (frame->kind == FrameKind::kFailed) co_return outcome_of_failure(*frame);
    if (frame->kind == FrameKind::kStarted) {
      const auto started = guest::decode<guest::ExecStarted>(frame->payload);
      if (!started || exchange.started) co_return makes_no_sense();
      exchange.started = started->pid;
      if (exchange.streams.until == ExecStreams::Until::kStart) {
        ExecOutcome outcome;
        outcome.detached_pid = started->pid;
        co_return outcome;
      }
      if (exchange.streams.terminal == nullptr) continue;
      if (auto handed = hand_over_terminal(exchange); !handed) co_return handed.error();
      continue;
    }
    if (frame->kind == FrameKind::kStdinTaken) {
      const auto bytes = guest::decode_u32(frame->payload);
      if (!bytes) co_return bytes.error();
      exchange.credit->taken(*bytes);
      continue;
    }
    const bool to_stdout = frame->kind == FrameKind::kStdout;
    if (!to_stdout && frame->kind != FrameKind::kStderr) co_return makes_no_sense();
    if (to_stdout) exchange.moved += frame->payload.size();
    ExecOutput& output = to_stdout ? exchange.out : exchange.err;
    const auto written = co_await output.write(frame->payload);
    if (!written) co_return written.error();
    if (!*written) co_return ExecOutcome{kSignalBase + SIGPIPE};
  }
}

asio::awaitable<void> converse(Exchange* exchange) {
  auto outcome = co_await receive(*exchange);
  if (!exchange->outcome) exchange->outcome = std::move(outcome);
  exchange->credit->changed.notify_all();
  // Dropping the connection hangs up a command that still runs.
  exchange->session->close();
}

asio::awaitable<void> run_session(std::shared_ptr<http2::Session> session) {
  [[maybe_unused]] const auto ended = co_await session->run();
}

}  // namespace

Result<ExecOutcome> run_exec(UniqueFd control, const ExecStart& start, const ExecStreams& streams,
                             std::optional<std::int64_t>& started) {
  if (start.message.size() > guest::kMaxStartPayload) {
    return Error{ErrorCode::kOutOfRange, "the command's arguments and environment are too long", ""};
  }
  asio::io_context context(1);
  const auto executor = context.get_executor();
  auto out = ExecOutput::create(executor, streams.out);
  if (!out) return out.error();
  auto err = ExecOutput::create(executor, streams.err);
  if (!err) return err.error();
  auto session = http2::Session::create(executor, std::move(control), http2::Session::Role::kClient);
  auto stream = session->request("POST", start.path);
  if (!stream) return stream.error();
  (*stream)->write_now(guest::encode_frame(start.kind, start.message));

  Exchange exchange{executor,
                    session,
                    *stream,
                    streams,
                    *std::move(out),
                    *std::move(err),
                    std::make_shared<StdinCredit>(executor),
                    started,
                    std::nullopt};
  if (streams.in >= 0 && streams.terminal == nullptr) {
    if (auto begun = start_stdin(exchange); !begun) return begun.error();
  }
  if (streams.signals >= 0) {
    if (auto begun = start_signals(exchange); !begun) return begun.error();
  }
  if (streams.moved) asio::co_spawn(executor, report_moved(streams.moved, &exchange.moved), asio::detached);
  asio::co_spawn(executor, run_session(session), asio::detached);
  asio::co_spawn(executor, converse(&exchange), asio::detached);
  while (!exchange.outcome && context.run_one() > 0) {
  }
  // Lets the closed session's coroutines end; those that still wait for stdin or a signal go with the
  // context.
  session->close();
  context.poll();
  if (!exchange.outcome) return lost();
  if (streams.moved) streams.moved(exchange.moved);
  return *std::move(exchange.outcome);
}

Result<ExecOutcome> run_files(UniqueFd control, const guest::FilesRequest& request,
                              const ExecStreams& streams) {
  auto start = guest::encode(request);
  if (start.size() > guest::kMaxStartPayload) return Error{ErrorCode::kOutOfRange, "a path is too long", ""};
  std::optional<std::int64_t> started;
  return run_exec(std::move(control), {guest::kFilesPath, FrameKind::kStart, std::move(start)}, streams,
                  started);
}

}  // namespace tl
