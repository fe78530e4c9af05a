// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/terminal_client.hpp"

#include <chrono>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace tl::guest {
namespace {

// A file at its end is at its end however often it is read; a terminal forgets, and has to be told again.
constexpr std::chrono::milliseconds kEndAgain{200};

}  // namespace

TerminalClient::TerminalClient(ExecContext& context, std::shared_ptr<TerminalSession> session,
                               std::shared_ptr<http2::Stream> stream, FrameReader frames)
    : context_(context),
      session_(std::move(session)),
      stream_(std::move(stream)),
      frames_(std::move(frames)),
      sender_(context.executor, stream_),
      keyboard_(context.executor, sender_),
      end_again_(context.executor) {}

asio::awaitable<void> TerminalClient::run(Keyboard keyboard) {
  const auto self = shared_from_this();
  const auto place = session_->enter();
  if (auto descriptor = session_->keyboard()) keyboard_.open(*std::move(descriptor));
  if (keyboard == Keyboard::kNone) keyboard_.end();
  run_beside(take_frames(self, keyboard));
  run_beside(watch_client(self));
  run_beside(feed_keyboard(self));
  run_beside(report_keyboard(self));
  co_await sender_.send(FrameKind::kStarted, encode(ExecStarted{session_->number()}));
  co_await show(place);
  session_->leave(place);
  if (session_->exit() && !gone_) {
    co_await sender_.send(FrameKind::kExit, encode(*session_->exit()));
    sender_.finish();
  }
  gone_ = true;
  keyboard_.stop();
  end_again_.cancel();
}

// The only exception there is comes from the lack of memory, and costs this client only.
void TerminalClient::run_beside(asio::awaitable<void> coroutine) {
  asio::co_spawn(context_.executor, std::move(coroutine),
                 [self = shared_from_this()](const std::exception_ptr& thrown) {
                   if (thrown) self->stream_->reset(http2::Reset::kInternal);
                 });
}

asio::awaitable<void> TerminalClient::show(TerminalSession::Place place) {
  while (!gone_) {
    if (*place >= session_->output().end()) {
      if (session_->exit()) co_return;
      co_await session_->wait_changed();
      continue;
    }
    co_await sender_.take_turn();
    const OutputRing& output = session_->output();
    const auto piece = output.from(*place);  // copied by the sender before anything else happens
    const auto now = piece.first(std::min(piece.size(), kMaxFramePayload));
    *place = std::max(*place, output.begin()) + now.size();
    const bool sent = co_await sender_.send_in_turn(FrameKind::kStdout, now);
    sender_.give_turn();
    session_->moved();
    if (!sent) co_return;
  }
}

asio::awaitable<void> TerminalClient::watch_client(Self self) {
  co_await self->stream_->wait_ended();
  self->gone_ = true;
  self->session_->moved();  // wakes show()
}

asio::awaitable<void> TerminalClient::feed_keyboard(Self self) {
  co_await self->keyboard_.feed();
  while (!self->gone_ && !self->session_->exit()) {
    self->session_->type_end();
    asio::error_code ignored;
    self->end_again_.expires_after(kEndAgain);
    co_await self->end_again_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<void> TerminalClient::report_keyboard(Self self) {
  co_await self->keyboard_.report();
}

asio::awaitable<void> TerminalClient::take_frames(Self self, Keyboard keyboard) {
  for (;;) {
    auto frame = co_await self->frames_.next();
    if (!frame) break;
    const bool fine = co_await self->handle(std::move(*frame), keyboard);
    if (!fine) break;
  }
  if (self->frames_.at_end()) {
    self->keyboard_.end();  // the client has nothing more to say, and still listens
  } else {
    self->stream_->reset(http2::Reset::kCancel);
  }
}

asio::awaitable<bool> TerminalClient::handle(Frame frame, Keyboard keyboard) {
  switch (frame.kind) {
    case FrameKind::kStdin:
      if (keyboard == Keyboard::kNone) co_return false;
      co_await keyboard_.push(std::move(frame.payload));
      co_return true;
    case FrameKind::kStdinEnd:
      keyboard_.end();
      co_return true;
    case FrameKind::kSignal: {
      if (frame.payload.size() != 1) co_return false;
      const int number = std::to_integer<int>(frame.payload[0]);
      if (number < 1 || number > 64) co_return false;
      session_->signal(number);
      co_return true;
    }
    case FrameKind::kResize: {
      const auto size = decode_size(frame.payload);
      if (!size) co_return false;
      session_->resize(*size);
      co_return true;
    }
    default:
      co_return false;
  }
}

}  // namespace tl::guest
