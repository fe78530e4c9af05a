// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/stdin_pipe.hpp"

#include <errno.h>
#include <unistd.h>

#include <limits>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace tl::guest {

StdinPipe::StdinPipe(const asio::any_io_executor& executor, FrameSender& sender)
    : sender_(sender), pipe_(executor), changed_(executor) {}

void StdinPipe::open(UniqueFd write_end) {
  pipe_.assign(write_end.release());
  was_opened_ = true;
}

void StdinPipe::close() {
  asio::error_code ignored;
  pipe_.close(ignored);
}

asio::awaitable<void> StdinPipe::push(std::vector<std::byte> bytes) {
  if (ended_ || stopped_ || bytes.empty()) co_return;
  queued_ += bytes.size();
  queue_.push_back(std::move(bytes));
  changed_.notify_all();
  while (queued_ > kStdinAhead && !stopped_) co_await changed_.wait();
}

void StdinPipe::end() {
  ended_ = true;
  changed_.notify_all();
}

void StdinPipe::stop() {
  stopped_ = true;
  queue_.clear();
  queued_ = 0;
  close();
  changed_.notify_all();
}

void StdinPipe::taken(std::size_t bytes) {
  queued_ -= bytes;
  unreported_ += bytes;
  changed_.notify_all();
}

asio::awaitable<void> StdinPipe::feed() {
  std::size_t begin = 0;  // in the first piece
  while (!stopped_) {
    if (queue_.empty()) {
      if (ended_) break;
      co_await changed_.wait();
      continue;
    }
    const std::size_t rest = queue_.front().size() - begin;
    std::size_t done = rest;
    if (pipe_.is_open()) {
      const ssize_t n = ::write(pipe_.native_handle(), queue_.front().data() + begin, rest);
      if (n < 0 && errno == EAGAIN) {
        asio::error_code ignored;
        co_await pipe_.async_wait(asio::posix::stream_descriptor::wait_write,
                                  asio::redirect_error(asio::use_awaitable, ignored));
        continue;
      }
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) close();  // nobody reads any more
      if (n >= 0) done = static_cast<std::size_t>(n);
    }
    begin += done;
    if (begin == queue_.front().size()) {
      queue_.pop_front();
      begin = 0;
    }
    taken(done);
  }
  close();
}

asio::awaitable<void> StdinPipe::report() {
  while (!stopped_) {
    if (unreported_ == 0) {
      co_await changed_.wait();
      continue;
    }
    const std::size_t now = std::min<std::size_t>(unreported_, std::numeric_limits<std::uint32_t>::max());
    unreported_ -= now;
    const bool sent =
        co_await sender_.send(FrameKind::kStdinTaken, encode_u32(static_cast<std::uint32_t>(now)));
    if (!sent) co_return;
  }
}

}  // namespace tl::guest
