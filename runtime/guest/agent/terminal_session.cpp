// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/terminal_session.hpp"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "runtime/guest/agent/output_pipe.hpp"
#include "runtime/guest/agent/pty.hpp"

namespace tl::guest {
namespace {

// More than a terminal holds: what the command itself wrote before it ended.
constexpr std::size_t kMostHeld = 256 * 1024;

}  // namespace

TerminalSession::TerminalSession(ExecContext& context, std::chrono::milliseconds lease,
                                 std::function<void()> over)
    : context_(context),
      lease_time_(lease),
      over_(std::move(over)),
      master_(context.executor),
      changed_(context.executor),
      lease_(context.executor),
      time_limit_(context.executor) {}

std::optional<ExecFailure> TerminalSession::start(const ExecRequest& request) {
  using Kind = ExecFailure::Kind;
  auto user = context_.users.find(request.user);
  if (!user) return ExecFailure{Kind::kNoSuchUser, user.error().message};
  auto pty = Pty::open(*request.terminal, *user);
  if (!pty) return ExecFailure{Kind::kOther, pty.error().message};
  const int slave = pty->slave.get();
  auto started =
      start_command(context_, request, *std::move(user), {slave, slave, slave, ControllingTerminal::kStdin});
  if (auto* failed = std::get_if<ExecFailure>(&started)) return std::move(*failed);
  pid_ = std::get<pid_t>(started);
  context_.reaper.watch(pid_, [self = shared_from_this()](int status) { self->on_exit(status); });
  row_ = list_started(context_, pid_, request);
  master_.assign(pty->master.release());
  slave_ = std::move(pty->slave);
  info_ = {pid_, shown_command(request.argv), std::chrono::system_clock::now().time_since_epoch(), 0,
           *request.terminal};
  run_beside(move_output(shared_from_this()));
  if (request.timeout) run_beside(watch_time(shared_from_this(), *request.timeout));
  return std::nullopt;
}

TerminalSession::Place TerminalSession::enter() {
  lease_.cancel();
  places_.push_back(output_.begin());
  return std::prev(places_.end());
}

void TerminalSession::leave(Place place) {
  places_.erase(place);
  changed_.notify_all();
  if (places_.empty() && !exit_) lease_.set(lease_time_, [self = shared_from_this()] { self->hang_up(); });
}

asio::awaitable<void> TerminalSession::wait_changed() {
  co_await changed_.wait();
}

Result<UniqueFd> TerminalSession::keyboard() {
  if (!master_.is_open()) return Error{ErrorCode::kConflict, "the session has ended", ""};
  UniqueFd copy(::fcntl(master_.native_handle(), F_DUPFD_CLOEXEC, 3));
  if (!copy) return errno_error("duplicate a terminal");
  return copy;
}

void TerminalSession::type_end() {
  if (!master_.is_open()) return;
  const std::byte end = end_of_input(master_.native_handle());
  // A full terminal has enough to read before it comes to an end.
  [[maybe_unused]] const auto typed = ::write(master_.native_handle(), &end, 1);
}

void TerminalSession::resize(TerminalSize size) {
  info_.size = size;
  if (master_.is_open()) set_terminal_size(master_.native_handle(), size);
}

void TerminalSession::redraw() {
  signal(SIGWINCH);
}

void TerminalSession::signal(int number) {
  if (master_.is_open()) signal_foreground(master_.native_handle(), number);
}

void TerminalSession::hang_up() {
  if (std::exchange(hung_up_, true)) return;
  changed_.notify_all();
  if (!exit_) run_beside(end_by(shared_from_this(), SIGHUP));
}

TerminalInfo TerminalSession::info() const {
  TerminalInfo info = info_;
  info.clients = places_.size();
  return info;
}

// The only exception there is comes from the lack of memory, and costs this session only.
void TerminalSession::run_beside(asio::awaitable<void> coroutine) {
  asio::co_spawn(context_.executor, std::move(coroutine),
                 [self = shared_from_this()](const std::exception_ptr& thrown) {
                   if (thrown) self->hang_up();
                 });
}

void TerminalSession::on_exit(int status) {
  status_ = status;
  list_ended(context_, row_, exit_of(status, time_));
  slave_.reset();
  deadline_ = std::chrono::steady_clock::now() + kDrainGrace;
  owed_ = kMostHeld;
  if (time_ == TimeLimit::kKept) time_limit_.cancel();
  asio::error_code ignored;
  master_.cancel(ignored);
  changed_.notify_all();
}

std::size_t TerminalSession::room() const {
  if (places_.empty() || hung_up_) return kTerminalAhead;
  const std::uint64_t behind = output_.end() - *std::min_element(places_.begin(), places_.end());
  return kTerminalAhead - static_cast<std::size_t>(std::min<std::uint64_t>(behind, kTerminalAhead));
}

asio::awaitable<void> TerminalSession::wait_readable() {
  asio::error_code ignored;
  if (!status_) {
    co_await master_.async_wait(asio::posix::stream_descriptor::wait_read,
                                asio::redirect_error(asio::use_awaitable, ignored));
    co_return;
  }
  // Rare: the command has ended and somebody else holds the terminal. Cheap enough to look now and then.
  asio::steady_timer pause(context_.executor, std::chrono::milliseconds(5));
  co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

bool TerminalSession::drained() const {
  return status_ && std::chrono::steady_clock::now() >= deadline_;
}

asio::awaitable<void> TerminalSession::move_output(Self self) {
  for (;;) {
    const std::size_t room = self->room();
    if (room == 0) {
      co_await self->changed_.wait();
      continue;
    }
    auto& scratch = self->context_.scratch;
    const ssize_t n = ::read(self->master_.native_handle(), scratch.data(), std::min(room, scratch.size()));
    if (n > 0) {
      const auto size = static_cast<std::size_t>(n);
      self->output_.push(std::span(scratch).first(size));
      self->changed_.notify_all();
      if (self->status_) self->owed_ -= std::min(self->owed_, size);
      if (self->drained() && self->owed_ == 0) break;
      // Others have their turn, however fast the command writes.
      co_await asio::post(self->context_.executor, asio::use_awaitable);
    } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      if (self->drained()) break;
      co_await self->wait_readable();
    } else {
      if (self->status_) break;
      // Not while we hold the other side; if it should be, there is nothing to do but wait for the end.
      co_await self->changed_.wait();
    }
  }
  self->end();
}

void TerminalSession::end() {
  asio::error_code ignored;
  master_.close(ignored);  // whoever is left inside is hung up
  exit_ = exit_of(*status_, time_);
  lease_.cancel();
  changed_.notify_all();
  over_();
}

asio::awaitable<void> TerminalSession::watch_time(Self self, std::chrono::milliseconds limit) {
  asio::error_code cancelled;
  self->time_limit_.expires_after(limit);
  co_await self->time_limit_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  if (self->status_) co_return;
  self->time_ = TimeLimit::kExceeded;
  co_await end_by(self, SIGTERM);
}

// The numbers cannot belong to somebody else by the time of the SIGKILL: see Exec::watch_time.
asio::awaitable<void> TerminalSession::end_by(Self self, int number) {
  const pid_t foreground =
      self->master_.is_open() ? foreground_group(self->master_.native_handle()) : pid_t{-1};
  const std::array<pid_t, 2> groups{self->pid_, foreground == self->pid_ ? pid_t{-1} : foreground};
  const auto signal_groups = [&groups](int which) {
    for (const pid_t group : groups) {
      if (group > 1) ::kill(-group, which);
    }
  };
  signal_groups(number);
  signal_groups(SIGCONT);  // a stopped command takes its signal too
  asio::steady_timer grace(self->context_.executor, kKillGrace);
  asio::error_code ignored;
  co_await grace.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  signal_groups(SIGKILL);
}

}  // namespace tl::guest
