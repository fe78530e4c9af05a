// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/exec_client.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <limits>
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
#include "runtime/guest/protocol/frame.hpp"

// One io_context, one thread, three movers: a stdin to frames, our signal pipe to frames, frames to a stdout
// and a stderr. Nothing reads ahead: while our stdout is not writable no frame is read, the stream's
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
constexpr std::size_t kShownBytes = 1000;  // of a guest's own words

Error lost() {
  return Error{ErrorCode::kFailure, "the connection to the sandbox was lost", ""};
}

// Where the command's output goes: writes whole buffers, waits without blocking the thread.
class Output {
 public:
  static Result<Output> create(const asio::any_io_executor& executor, const ExecSink& sink) {
    if (sink.text != nullptr) return Output(sink.text);
    const int fd = sink.fd;
    auto readiness = Readiness::create(executor, fd, Readiness::For::kWriting);
    if (!readiness) return readiness.error();
    struct stat info {};
    const bool may_block = (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
    const bool pipe = may_block && ::fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode);
    // poll(2) calls a pipe writable when a page is free, so more than a page could block.
    return Output(fd, *std::move(readiness), pipe ? kPipePage : std::numeric_limits<std::size_t>::max());
  }

  // False when nobody reads any more.
  asio::awaitable<Result<bool>> write(std::span<const std::byte> bytes) {
    if (text_ != nullptr) {
      const std::size_t room = ExecSink::kMaxText - std::min(ExecSink::kMaxText, text_->size());
      text_->append(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), room));
      co_return true;
    }
    while (!bytes.empty()) {
      co_await readiness_->wait();
      const ssize_t n = ::write(fd_, bytes.data(), std::min(bytes.size(), piece_));
      if (n < 0 && errno == EPIPE) co_return false;
      if (n < 0 && errno != EINTR && errno != EAGAIN) {
        co_return errno_error(fd_ == STDERR_FILENO ? "write to stderr" : "write to stdout");
      }
      if (n > 0) bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    co_return true;
  }

 private:
  static constexpr std::size_t kPipePage = 4096;
  Output(int fd, Readiness readiness, std::size_t piece)
      : fd_(fd), readiness_(std::move(readiness)), piece_(piece) {}
  explicit Output(std::string* text) : text_(text) {}
  int fd_ = -1;
  std::optional<Readiness> readiness_;
  std::size_t piece_ = 0;
  std::string* text_ = nullptr;
};

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

asio::awaitable<void> forward_stdin(StreamPtr stream, std::shared_ptr<Readiness> readiness, int fd,
                                    std::shared_ptr<StdinCredit> credit, std::uint64_t* moved) {
  std::vector<std::byte> buffer(guest::kMaxFramePayload);
  for (;;) {
    while (credit->ahead + buffer.size() > guest::kStdinAhead) {
      if (stream->ended()) co_return;
      co_await credit->changed.wait();
    }
    co_await readiness->wait();
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) break;  // a stdin that cannot be read has no more to say
    const auto frame =
        guest::encode_frame(FrameKind::kStdin, std::span(buffer).first(static_cast<std::size_t>(n)));
    credit->ahead += static_cast<std::size_t>(n);
    *moved += static_cast<std::uint64_t>(n);
    const auto sent = co_await stream->write(frame);
    if (!sent) co_return;
  }
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

// Any signal ends the exchange.
asio::awaitable<void> hang_up_on_signal(std::shared_ptr<http2::Session> session,
                                        std::shared_ptr<Readiness> readiness,
                                        std::optional<Result<ExecOutcome>>* outcome) {
  co_await readiness->wait();
  if (!*outcome) *outcome = Error{ErrorCode::kFailure, "interrupted", ""};
  session->close();
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
  const bool malformed = failure->kind == Kind::kNoSuchUser || failure->kind == Kind::kNoSuchDirectory;
  return Error{malformed ? ErrorCode::kOutOfRange : ErrorCode::kFailure, message, ""};
}

asio::awaitable<Result<ExecOutcome>> receive(StreamPtr stream, std::shared_ptr<Output> out,
                                             std::shared_ptr<Output> err, std::shared_ptr<StdinCredit> credit,
                                             std::uint64_t* moved) {
  const auto status = co_await stream->status();
  if (!status) co_return lost();
  if (*status != 200) co_return Error{ErrorCode::kFailure, "the sandbox refused the request", ""};
  guest::FrameReader reader(stream);
  for (;;) {
    const auto frame = co_await reader.next();
    if (!frame) co_return lost();
    if (frame->kind == FrameKind::kExit) co_return outcome_of_exit(*frame);
    if (frame->kind == FrameKind::kFailed) co_return outcome_of_failure(*frame);
    if (frame->kind == FrameKind::kStarted) continue;
    if (frame->kind == FrameKind::kStdinTaken) {
      const auto bytes = guest::decode_u32(frame->payload);
      if (!bytes) co_return bytes.error();
      credit->taken(*bytes);
      continue;
    }
    const bool to_stdout = frame->kind == FrameKind::kStdout;
    if (!to_stdout && frame->kind != FrameKind::kStderr) {
      co_return Error{ErrorCode::kFailure, "the sandbox's agent sent a frame that makes no sense", ""};
    }
    if (to_stdout) *moved += frame->payload.size();
    const auto written = co_await (to_stdout ? out : err)->write(frame->payload);
    if (!written) co_return written.error();
    if (!*written) co_return ExecOutcome{kSignalBase + SIGPIPE};
  }
}

asio::awaitable<void> converse(std::shared_ptr<http2::Session> session, StreamPtr stream,
                               std::shared_ptr<Output> out, std::shared_ptr<Output> err,
                               std::shared_ptr<StdinCredit> credit, std::uint64_t* moved,
                               std::optional<Result<ExecOutcome>>* outcome) {
  auto received = co_await receive(stream, out, err, credit, moved);
  if (!*outcome) *outcome = std::move(received);
  credit->changed.notify_all();
  // Dropping the connection hangs up a command that still runs.
  session->close();
}

asio::awaitable<void> run_session(std::shared_ptr<http2::Session> session) {
  [[maybe_unused]] const auto ended = co_await session->run();
}

// The request at the path begins with that frame.
Result<ExecOutcome> run_program(UniqueFd control, const char* path, std::span<const std::byte> start,
                                const ExecStreams& streams) {
  asio::io_context context(1);
  const auto executor = context.get_executor();
  auto out = Output::create(executor, streams.out);
  if (!out) return out.error();
  auto err = Output::create(executor, streams.err);
  if (!err) return err.error();

  auto session = http2::Session::create(executor, std::move(control), http2::Session::Role::kClient);
  auto stream = session->request("POST", path);
  if (!stream) return stream.error();
  (*stream)->write_now(guest::encode_frame(FrameKind::kStart, start));

  const auto credit = std::make_shared<StdinCredit>(executor);
  std::uint64_t moved = 0;
  std::optional<Result<ExecOutcome>> outcome;
  if (streams.in >= 0) {
    auto readiness = Readiness::create(executor, streams.in, Readiness::For::kReading);
    if (!readiness) return readiness.error();
    asio::co_spawn(executor,
                   forward_stdin(*stream, std::make_shared<Readiness>(*std::move(readiness)), streams.in,
                                 credit, &moved),
                   asio::detached);
  }
  if (streams.signals >= 0) {
    auto readiness = Readiness::create(executor, streams.signals, Readiness::For::kReading);
    if (!readiness) return readiness.error();
    const auto ready = std::make_shared<Readiness>(*std::move(readiness));
    auto watch = streams.on_signal == ExecStreams::OnSignal::kHangUp
                     ? hang_up_on_signal(session, ready, &outcome)
                     : forward_signals(*stream, ready, streams.signals);
    asio::co_spawn(executor, std::move(watch), asio::detached);
  }
  if (streams.moved) asio::co_spawn(executor, report_moved(streams.moved, &moved), asio::detached);
  asio::co_spawn(executor, run_session(session), asio::detached);
  asio::co_spawn(executor,
                 converse(session, *stream, std::make_shared<Output>(*std::move(out)),
                          std::make_shared<Output>(*std::move(err)), credit, &moved, &outcome),
                 asio::detached);
  while (!outcome && context.run_one() > 0) {
  }
  // Lets the closed session's coroutines end; those that still wait for stdin or a signal go with the
  // context.
  session->close();
  context.poll();
  if (!outcome) return lost();
  if (streams.moved) streams.moved(moved);
  return *std::move(outcome);
}

}  // namespace

Result<ExecOutcome> run_exec(UniqueFd control, const guest::ExecRequest& request,
                             const ExecStreams& streams) {
  const auto start = guest::encode(request);
  if (start.size() > guest::kMaxStartPayload) {
    return Error{ErrorCode::kOutOfRange, "the command's arguments and environment are too long", ""};
  }
  return run_program(std::move(control), guest::kExecPath, start, streams);
}

Result<ExecOutcome> run_files(UniqueFd control, const guest::FilesRequest& request,
                              const ExecStreams& streams) {
  const auto start = guest::encode(request);
  if (start.size() > guest::kMaxStartPayload) return Error{ErrorCode::kOutOfRange, "a path is too long", ""};
  return run_program(std::move(control), guest::kFilesPath, start, streams);
}

}  // namespace tl
