// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/output_pipe.hpp"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace tl::guest {

OutputPipe::OutputPipe(const asio::any_io_executor& executor, FrameKind kind, FrameSender& sender,
                       std::span<std::byte> scratch)
    : kind_(kind), sender_(sender), scratch_(scratch), pipe_(executor), grace_(executor) {}

void OutputPipe::open(UniqueFd read_end) {
  pipe_.assign(read_end.release());
}

void OutputPipe::command_ended() {
  deadline_ = std::chrono::steady_clock::now() + kDrainGrace;
  int there = 0;
  if (!pipe_.is_open() || ::ioctl(pipe_.native_handle(), FIONREAD, &there) != 0 || there < 0) there = 0;
  owed_ = static_cast<std::size_t>(there);
  look_again_ = true;  // and find the end of the file, unless somebody else holds the pipe
  asio::error_code ignored;
  pipe_.cancel(ignored);
}

bool OutputPipe::over() const {
  return deadline_ && owed_ == 0 && std::chrono::steady_clock::now() >= *deadline_;
}

asio::awaitable<OutputPipe::Step> OutputPipe::move_some() {
  if (!pipe_.is_open()) co_return Step::kEnd;
  const ssize_t n = ::read(pipe_.native_handle(), scratch_.data(), scratch_.size());
  if (n < 0 && errno == EAGAIN) owed_ = 0;
  if (n < 0) co_return errno == EAGAIN || errno == EINTR ? Step::kAgain : Step::kEnd;
  if (n == 0) co_return Step::kEnd;
  const auto size = static_cast<std::size_t>(n);
  owed_ -= std::min(owed_, size);
  // Without a client the output is discarded: a command that takes its SIGHUP well may still want to write.
  if (!discard_) {
    const bool sent = co_await sender_.send_in_turn(kind_, scratch_.first(size));
    discard_ = !sent;
  }
  co_return Step::kMoved;
}

asio::awaitable<void> OutputPipe::wait_readable() {
  asio::error_code ignored;
  if (!deadline_) {
    co_await pipe_.async_wait(asio::posix::stream_descriptor::wait_read,
                              asio::redirect_error(asio::use_awaitable, ignored));
    co_return;
  }
  if (std::exchange(look_again_, false)) co_return;
  // Rare: the command has ended and the pipe has not. Cheap enough to look every now and then.
  constexpr std::chrono::milliseconds kLook{5};
  grace_.expires_at(std::min(*deadline_, std::chrono::steady_clock::now() + kLook));
  co_await grace_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

asio::awaitable<void> OutputPipe::run() {
  Step step = Step::kAgain;
  while (!over()) {
    if (step == Step::kAgain) co_await wait_readable();
    co_await sender_.take_turn();
    step = co_await move_some();
    sender_.give_turn();
    if (step == Step::kEnd) break;
  }
  asio::error_code ignored;
  pipe_.close(ignored);  // whoever still writes gets SIGPIPE
}

}  // namespace tl::guest
