// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/exec.hpp"

#include <signal.h>
#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace tl::guest {
namespace {

ExecFailure failure(ExecFailure::Kind kind, const Error& error) {
  return {kind, error.message};
}

}  // namespace

Exec::Exec(ExecContext& context, std::shared_ptr<http2::Stream> stream, FrameReader frames, Program program)
    : context_(context),
      stream_(std::move(stream)),
      program_(program),
      frames_(std::move(frames)),
      sender_(context.executor, stream_),
      stdin_(context.executor, sender_),
      stdout_(context.executor, FrameKind::kStdout, sender_, context.scratch),
      stderr_(context.executor, FrameKind::kStderr, sender_, context.scratch),
      changed_(context.executor),
      time_limit_(context.executor) {}

asio::awaitable<void> Exec::run(ExecRequest request) {
  const auto self = shared_from_this();
  if (auto failed = start(request)) {
    co_await send_failure(stream_, std::move(*failed));
    co_return;
  }
  start_coroutines(request);
  co_await sender_.send(FrameKind::kStarted, encode(ExecStarted{pid_}));
  while (!status_ || open_outputs_ > 0) co_await changed_.wait();
  co_await sender_.send(FrameKind::kExit, encode(exit_of(*status_, time_)));
  stdin_.stop();
  sender_.finish();
}

std::optional<ExecFailure> Exec::start(const ExecRequest& request) {
  using Kind = ExecFailure::Kind;
  auto user = context_.users.find(request.user);
  if (!user) return failure(Kind::kNoSuchUser, user.error());
  auto out = make_pipe(Ours::kReadEnd);
  if (!out) return failure(Kind::kOther, out.error());
  auto err = make_pipe(Ours::kReadEnd);
  if (!err) return failure(Kind::kOther, err.error());
  Pipe in;
  if (request.stdin_stream) {
    auto made = make_pipe(Ours::kWriteEnd);
    if (!made) return failure(Kind::kOther, made.error());
    in = std::move(*made);
  }
  const int stdin_fd = request.stdin_stream ? in.read_end.get() : context_.no_input.get();
  auto started = start_command(context_, request, *std::move(user),
                               {.in = stdin_fd,
                                .out = out->write_end.get(),
                                .err = err->write_end.get(),
                                .program = program_ == Program::kFiles ? context_.own_program.get() : -1});
  if (auto* failed = std::get_if<ExecFailure>(&started)) return std::move(*failed);
  pid_ = std::get<pid_t>(started);
  context_.reaper.watch(pid_, [self = shared_from_this()](int status) { self->on_exit(status); });
  if (program_ == Program::kCommand && request.listed) row_ = list_started(context_, pid_, request);
  stdout_.open(std::move(out->read_end));
  stderr_.open(std::move(err->read_end));
  if (request.stdin_stream) stdin_.open(std::move(in.write_end));
  return std::nullopt;
}

void Exec::start_coroutines(const ExecRequest& request) {
  const auto self = shared_from_this();
  open_outputs_ = 2;
  run_beside(move_output(self, &stdout_));
  run_beside(move_output(self, &stderr_));
  run_beside(take_frames(self));
  run_beside(watch_client(self));
  if (request.stdin_stream) {
    run_beside(feed_stdin(self));
    run_beside(report_stdin(self));
  }
  if (request.timeout) run_beside(watch_time(self, *request.timeout));
}

// The only exception there is comes from the lack of memory, and costs this execution only.
void Exec::run_beside(asio::awaitable<void> coroutine) {
  asio::co_spawn(context_.executor, std::move(coroutine),
                 [self = shared_from_this()](const std::exception_ptr& thrown) {
                   if (!thrown) return;
                   self->stream_->reset(http2::Reset::kInternal);
                   self->open_outputs_ = 0;
                   self->changed_.notify_all();
                 });
}

void Exec::on_exit(int status) {
  status_ = status;
  if (row_) list_ended(context_, *row_, exit_of(status, time_));
  stdout_.command_ended();
  stderr_.command_ended();
  if (time_ == TimeLimit::kKept) time_limit_.cancel();
  changed_.notify_all();
}

asio::awaitable<void> Exec::move_output(std::shared_ptr<Exec> self, OutputPipe* pipe) {
  co_await pipe->run();
  --self->open_outputs_;
  self->changed_.notify_all();
}

asio::awaitable<void> Exec::feed_stdin(std::shared_ptr<Exec> self) {
  co_await self->stdin_.feed();
}

asio::awaitable<void> Exec::report_stdin(std::shared_ptr<Exec> self) {
  co_await self->stdin_.report();
}

asio::awaitable<void> Exec::take_frames(std::shared_ptr<Exec> self) {
  for (;;) {
    auto frame = co_await self->frames_.next();
    if (!frame) break;
    const bool fine = co_await self->handle(std::move(*frame));
    if (!fine) break;
  }
  if (self->frames_.at_end()) {
    self->stdin_.end();  // the client has nothing more to say, and still listens
  } else {
    self->stream_->reset(http2::Reset::kCancel);
  }
}

asio::awaitable<void> Exec::watch_client(std::shared_ptr<Exec> self) {
  co_await self->stream_->wait_ended();
  if (self->stream_->broken()) self->hang_up();
}

asio::awaitable<bool> Exec::handle(Frame frame) {
  switch (frame.kind) {
    case FrameKind::kStdin:
      if (!stdin_.was_opened()) co_return false;
      co_await stdin_.push(std::move(frame.payload));
      co_return true;
    case FrameKind::kStdinEnd:
      stdin_.end();
      co_return true;
    case FrameKind::kSignal: {
      if (frame.payload.size() != 1) co_return false;
      const int number = std::to_integer<int>(frame.payload[0]);
      if (number < 1 || number > 64) co_return false;
      if (!status_) signal_group(number);
      co_return true;
    }
    default:
      co_return false;
  }
}

asio::awaitable<void> Exec::watch_time(std::shared_ptr<Exec> self, std::chrono::milliseconds limit) {
  asio::error_code cancelled;
  self->time_limit_.expires_after(limit);
  co_await self->time_limit_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  if (self->status_) co_return;
  self->time_ = TimeLimit::kExceeded;
  self->signal_group(SIGTERM);
  self->signal_group(SIGCONT);  // a stopped command takes its SIGTERM too
  self->time_limit_.expires_after(kKillGrace);
  co_await self->time_limit_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  // The command may have ended and left others of its group behind. The number cannot belong to somebody
  // else: pid_max is so large (boot.cpp) that it does not come round within the grace.
  self->signal_group(SIGKILL);
}

void Exec::signal_group(int number) const {
  TL_CHECK(pid_ > 1);
  ::kill(-pid_, number);
}

void Exec::hang_up() {
  if (!status_) {
    signal_group(SIGHUP);
    signal_group(SIGCONT);
  }
  stdin_.stop();
}

}  // namespace tl::guest
