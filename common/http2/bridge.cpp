// SPDX-License-Identifier: Apache-2.0
#include "common/http2/bridge.hpp"

#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/socket_base.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

namespace tl::http2 {
namespace {

constexpr std::size_t kChunk = 64 * 1024;

struct Joint {
  StreamSocket socket;
  std::shared_ptr<Stream> stream;
};
using JointPtr = std::shared_ptr<Joint>;

asio::awaitable<void> to_stream(JointPtr joint) {
  std::vector<std::byte> buffer(kChunk);
  for (;;) {
    asio::error_code failed;
    const std::size_t n = co_await joint->socket.async_read_some(
        asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, failed));
    if (failed == asio::error::eof) break;
    if (failed) {
      joint->stream->reset(Reset::kCancel);
      co_return;
    }
    const auto sent = co_await joint->stream->write(std::span(buffer).first(n));
    if (!sent) co_return;
  }
  joint->stream->finish();
}

asio::awaitable<void> to_socket(JointPtr joint) {
  std::vector<std::byte> buffer(kChunk);
  for (;;) {
    const auto got = co_await joint->stream->read_some(buffer);
    if (!got) co_return;
    if (*got == 0) break;
    asio::error_code failed;
    co_await asio::async_write(joint->socket, asio::buffer(buffer.data(), *got),
                               asio::redirect_error(asio::use_awaitable, failed));
    if (!failed) continue;
    joint->stream->reset(Reset::kCancel);
    co_return;
  }
  asio::error_code ignored;
  joint->socket.shutdown(asio::socket_base::shutdown_send, ignored);
}

}  // namespace

asio::awaitable<void> bridge(StreamSocket socket, std::shared_ptr<Stream> stream) {
  const auto executor = co_await asio::this_coro::executor;
  const auto joint = std::make_shared<Joint>(std::move(socket), std::move(stream));
  joint->stream->keep_open();
  asio::co_spawn(executor, to_stream(joint), asio::detached);
  asio::co_spawn(executor, to_socket(joint), asio::detached);
  co_await joint->stream->wait_ended();
  if (!joint->stream->broken()) co_return;  // the last of the two closes the socket
  asio::error_code ignored;
  joint->socket.set_option(asio::socket_base::linger(true, 0), ignored);
  joint->socket.close(ignored);
}

}  // namespace tl::http2
