// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/detached_process.hpp"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "runtime/guest/agent/output_pipe.hpp"

namespace tl::guest {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// More than a pipe holds: what was in it at the run's end.
constexpr std::size_t kMostHeld = 1024 * 1024;

// What a shell says of a command that does not start, as a wait status.
int status_of(const ExecFailure& failure) {
  constexpr int kNotFound = 127, kNotExecutable = 126, kOther = 125;
  const auto status = [](int code) { return code << 8; };
  if (failure.kind == ExecFailure::Kind::kNotFound) return status(kNotFound);
  if (failure.kind == ExecFailure::Kind::kNotExecutable) return status(kNotExecutable);
  return status(kOther);
}

}  // namespace

DetachedProcess::DetachedProcess(ExecContext& context, ExecRequest request)
    : context_(context),
      request_(std::move(request)),
      plan_(*request_.detach),
      log_(context.executor),
      changed_(context.executor),
      pause_(context.executor),
      pipes_{asio::posix::stream_descriptor(context.executor),
             asio::posix::stream_descriptor(context.executor)} {}

std::optional<ExecFailure> DetachedProcess::start() {
  if (auto failed = start_run()) return failed;
  row_ = list_started(context_, pid_, request_);
  ProcessInfo& info = context_.table.at(row_);
  info.managed = true;
  info.name = request_.detach->name;
  info.restart = request_.detach->restart;
  run_beside(supervise(shared_from_this()));
  return std::nullopt;
}

std::optional<ExecFailure> DetachedProcess::start_run() {
  using Kind = ExecFailure::Kind;
  auto user = context_.users.find(request_.user);
  if (!user) return ExecFailure{Kind::kNoSuchUser, user.error().message};
  auto out = make_pipe(Ours::kReadEnd);
  if (!out) return ExecFailure{Kind::kOther, out.error().message};
  auto err = make_pipe(Ours::kReadEnd);
  if (!err) return ExecFailure{Kind::kOther, err.error().message};
  auto started = start_command(context_, request_, *std::move(user),
                               {context_.no_input.get(), out->write_end.get(), err->write_end.get()});
  if (auto* failed = std::get_if<ExecFailure>(&started)) return std::move(*failed);
  pid_ = std::get<pid_t>(started);
  context_.reaper.watch(pid_, [self = shared_from_this()](int status) { self->on_exit(status); });
  state_ = State::kRunning;
  status_.reset();
  failure_.clear();
  ++runs_;
  began_ = steady_clock::now();
  log_.reopen();
  open_outputs_ = 2;
  using Stream = LogPiece::Stream;
  pipes_[0].assign(out->read_end.release());
  pipes_[1].assign(err->read_end.release());
  run_beside(move_output(shared_from_this(), Stream::kStdout));
  run_beside(move_output(shared_from_this(), Stream::kStderr));
  changed_.notify_all();
  return std::nullopt;
}

void DetachedProcess::on_exit(int status) {
  status_ = status;
  ended_ = steady_clock::now();
  asio::error_code ignored;
  for (auto& pipe : pipes_) pipe.cancel(ignored);
  changed_.notify_all();
}

// The only exception there is comes from the lack of memory, and costs this process only.
void DetachedProcess::run_beside(asio::awaitable<void> coroutine) {
  asio::co_spawn(context_.executor, std::move(coroutine),
                 [self = shared_from_this()](const std::exception_ptr& thrown) {
                   if (!thrown) return;
                   self->wanted_ = Wanted::kEnd;
                   self->signal(SIGKILL);
                   self->open_outputs_ = 0;
                   self->changed_.notify_all();
                 });
}

bool DetachedProcess::drained() const {
  return status_ && steady_clock::now() >= ended_ + kDrainGrace;
}

asio::awaitable<void> DetachedProcess::move_output(Self self, LogPiece::Stream stream) {
  auto& pipe = self->pipes_[static_cast<std::size_t>(stream)];
  std::size_t owed = kMostHeld;
  asio::error_code ignored;
  asio::steady_timer look(self->context_.executor);
  for (;;) {
    auto& scratch = self->context_.scratch;
    const ssize_t n = ::read(pipe.native_handle(), scratch.data(), scratch.size());
    if (n > 0) {
      const auto size = static_cast<std::size_t>(n);
      self->log_.append(stream, std::span(scratch).first(size), wall_clock());
      if (self->status_) owed -= std::min(owed, size);
      if (self->drained() && owed == 0) break;
      // Others have their turn, however fast it writes.
      co_await asio::post(self->context_.executor, asio::use_awaitable);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR) || self->drained()) {
      break;
    } else if (!self->status_) {
      co_await pipe.async_wait(asio::posix::stream_descriptor::wait_read,
                               asio::redirect_error(asio::use_awaitable, ignored));
    } else {
      // Rare: the run has ended, and somebody else holds the pipe. Cheap enough to look now and then.
      look.expires_after(milliseconds(5));
      co_await look.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }
  pipe.close(ignored);
  --self->open_outputs_;
  self->changed_.notify_all();
}

asio::awaitable<void> DetachedProcess::supervise(Self self) {
  for (;;) {
    if (self->state_ == State::kRunning) co_await self->finish_run();
    const bool again = co_await self->pause_before_next();
    if (!again) break;
    if (auto failed = self->start_run()) self->note_failure(*failed);
    if (self->state_ == State::kRunning) self->note_run();
  }
  self->state_ = State::kEnded;
  self->log_.close();
  self->changed_.notify_all();
}

asio::awaitable<void> DetachedProcess::finish_run() {
  while (!status_ || open_outputs_ > 0) co_await changed_.wait();
}

asio::awaitable<bool> DetachedProcess::pause_before_next() {
  list_ended(context_, row_, exit_of(*status_, TimeLimit::kKept));
  if (wanted_ == Wanted::kEnd) co_return false;
  std::optional<milliseconds> pause{0};
  if (wanted_ == Wanted::kNothing) {
    const auto ran = std::chrono::duration_cast<milliseconds>(ended_ - began_);
    pause = plan_.next(exit_of(*status_, TimeLimit::kKept), ran);
  }
  if (!pause) co_return false;
  state_ = State::kPausing;
  const auto ended_as = std::exchange(context_.table.at(row_).status, ProcessInfo::Status::kRestarting);
  asio::error_code ignored;
  pause_.expires_after(*pause);
  co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_await context_.gate.pass();
  if (wanted_ == Wanted::kEnd) context_.table.at(row_).status = ended_as;
  co_return wanted_ != Wanted::kEnd;
}

void DetachedProcess::note_run() {
  wanted_ = Wanted::kNothing;
  ProcessInfo& info = context_.table.at(row_);
  info.status = ProcessInfo::Status::kRunning;
  info.pid = pid_;
  info.started = wall_clock();
  info.finished = {};
  info.value = 0;
  ++info.restarts;
}

void DetachedProcess::note_failure(const ExecFailure& failure) {
  wanted_ = Wanted::kNothing;
  state_ = State::kPausing;
  status_ = status_of(failure);
  began_ = ended_ = steady_clock::now();
  failure_ = failure.message;
  ++runs_;
  const std::string line = failure.message + "\n";
  log_.append(LogPiece::Stream::kStderr, std::as_bytes(std::span(line)), wall_clock());
  changed_.notify_all();
}

void DetachedProcess::signal(int number) const {
  // Its number is nobody else's before we have heard of its end.
  if (state_ == State::kRunning && !status_) ::kill(-pid_, number);
}

asio::awaitable<void> DetachedProcess::end_run() {
  pause_.cancel();
  if (state_ != State::kRunning) co_return;
  const pid_t group = pid_;
  const std::uint64_t run = runs_;
  signal(SIGTERM);
  signal(SIGCONT);  // a stopped one takes its SIGTERM too
  asio::steady_timer look(context_.executor);
  const auto deadline = steady_clock::now() + kKillGrace;
  asio::error_code ignored;
  while (run == runs_ && !status_ && steady_clock::now() < deadline) {
    look.expires_after(milliseconds(5));
    co_await look.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  // What is left of its group goes too. The number cannot have come round: see Exec::watch_time.
  ::kill(-group, SIGKILL);
}

asio::awaitable<void> DetachedProcess::stop() {
  const auto self = shared_from_this();
  give_up();
  if (state_ == State::kEnded) co_return;
  co_await end_run();
  while (state_ != State::kEnded && wanted_ == Wanted::kEnd) co_await changed_.wait();
}

void DetachedProcess::give_up() {
  if (state_ != State::kEnded) wanted_ = Wanted::kEnd;
  pause_.cancel();
}

asio::awaitable<std::variant<pid_t, std::string>> DetachedProcess::restart() {
  const auto self = shared_from_this();
  const std::uint64_t before = runs_;
  plan_.begin_anew();
  const bool ended = state_ == State::kEnded;
  wanted_ = Wanted::kNewRun;
  if (ended) {
    state_ = State::kPausing;
    log_.reopen();
    context_.table.at(row_).status = ProcessInfo::Status::kRestarting;
    run_beside(supervise(self));
  } else {
    co_await end_run();
  }
  while (runs_ == before && state_ != State::kEnded) co_await changed_.wait();
  if (runs_ == before || !failure_.empty()) co_return failure_;
  co_return pid_;
}

}  // namespace tl::guest
