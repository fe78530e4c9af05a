// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <utility>

#include <asio/awaitable.hpp>

#include "common/async_event.hpp"
#include "common/http2/stream.hpp"
#include "runtime/guest/protocol/frame.hpp"

namespace tl::guest {

// Lets several coroutines send frames on one stream, which takes one writer at a time. Whoever has the turn
// reads its source only then, so that a reader who does not read stops the sources.
class FrameSender {
 public:
  FrameSender(const asio::any_io_executor& executor, std::shared_ptr<http2::Stream> stream)
      : stream_(std::move(stream)), free_(executor) {}

  asio::awaitable<void> take_turn() {
    while (busy_) co_await free_.wait();
    busy_ = true;
  }
  void give_turn() {
    busy_ = false;
    free_.notify_all();
  }

  // With the turn held. Waits until the stream has room for more; false when it has ended. The payload is
  // copied before anything waits.
  asio::awaitable<bool> send_in_turn(FrameKind kind, std::span<const std::byte> payload) {
    if (finished_) co_return false;
    stream_->write_now(encode_frame_head(kind, payload.size()));
    const auto sent = co_await stream_->write(payload);
    co_return sent.has_value();
  }

  asio::awaitable<bool> send(FrameKind kind, std::vector<std::byte> payload) {
    co_await take_turn();
    const bool sent = co_await send_in_turn(kind, payload);
    give_turn();
    co_return sent;
  }

  // Nothing is sent afterwards.
  void finish() {
    finished_ = true;
    stream_->finish();
  }

 private:
  std::shared_ptr<http2::Stream> stream_;
  AsyncEvent free_;
  bool busy_ = false;
  bool finished_ = false;
};

}  // namespace tl::guest
