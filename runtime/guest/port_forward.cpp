// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/port_forward.hpp"

#include <chrono>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "common/http2/bridge.hpp"
#include "common/printable.hpp"
#include "runtime/guest/protocol/messages.hpp"

namespace tl::guest {
namespace {

using asio::ip::tcp;
using StreamPtr = std::shared_ptr<http2::Stream>;

constexpr auto kPause = std::chrono::milliseconds(100);  // when there are too many connections
constexpr std::size_t kMostWords = 300;
constexpr int kOk = 200;

Error cannot_listen(std::uint16_t port, const asio::error_code& why) {
  const std::string what = fmt::format("port {} of this machine", port);
  if (why == asio::error::address_in_use)
    return Error{ErrorCode::kConflict, what + " is taken", "choose another one, or 0 for any that is free"};
  if (why == asio::error::access_denied)
    return Error{ErrorCode::kHostLacks, what + " is reserved for root", "choose one above 1023"};
  return Error{ErrorCode::kFailure, fmt::format("listen on {}: {}", what, why.message()), ""};
}

// The guest's words, as much as is shown of them.
asio::awaitable<std::string> read_words(StreamPtr stream) {
  std::string words;
  std::vector<std::byte> buffer(kMostWords);
  while (words.size() < kMostWords) {
    const auto n = co_await stream->read_some(buffer);
    if (!n || *n == 0) break;
    words.append(reinterpret_cast<const char*>(buffer.data()), *n);
  }
  co_return make_printable(words, kMostWords);
}

}  // namespace

struct PortForward::State {
  State(const asio::any_io_executor& executor, std::uint16_t to, OpenStream how, Refused told)
      : io(executor), acceptor(executor), remote(to), open(std::move(how)), refused(std::move(told)) {}

  Result<void> bind(std::uint16_t port);
  static asio::awaitable<void> accept(std::shared_ptr<State> state);
  static asio::awaitable<void> forward(std::shared_ptr<State> state, tcp::socket socket);

  asio::any_io_executor io;
  tcp::acceptor acceptor;
  std::uint16_t local = 0;
  std::uint16_t remote;
  OpenStream open;
  Refused refused;
};

Result<void> PortForward::State::bind(std::uint16_t port) {
  const tcp::endpoint place(asio::ip::address_v4::loopback(), port);
  asio::error_code failed;
  acceptor.open(place.protocol(), failed);
  if (!failed) acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed) acceptor.bind(place, failed);
  if (!failed) acceptor.listen(asio::socket_base::max_listen_connections, failed);
  if (!failed) local = acceptor.local_endpoint(failed).port();
  if (failed) return cannot_listen(port, failed);
  return {};
}

asio::awaitable<void> PortForward::State::accept(std::shared_ptr<State> state) {
  while (state->acceptor.is_open()) {
    asio::error_code failed;
    auto socket = co_await state->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, failed));
    if (failed == asio::error::operation_aborted) co_return;
    if (failed) {
      asio::steady_timer pause(state->io, kPause);
      co_await pause.async_wait(asio::use_awaitable);
      continue;
    }
    asio::co_spawn(state->io, forward(state, std::move(socket)), asio::detached);
  }
}

asio::awaitable<void> PortForward::State::forward(std::shared_ptr<State> state, tcp::socket socket) {
  asio::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  // Until there is somebody at the other end, the connection breaks off and does not end.
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  const auto stream = state->open(kConnectPath + std::to_string(state->remote));
  if (!stream) co_return;
  const auto status = co_await (*stream)->status();
  if (!status) co_return;
  if (*status != kOk) {
    const std::string words = co_await read_words(*stream);
    state->refused(words);
    co_return;
  }
  socket.set_option(asio::socket_base::linger(false, 0), ignored);
  co_await http2::bridge(std::move(socket), *stream);
}

Result<std::unique_ptr<PortForward>> PortForward::listen(const asio::any_io_executor& executor, Ports ports,
                                                         OpenStream open, Refused refused) {
  auto state = std::make_shared<State>(executor, ports.remote, std::move(open), std::move(refused));
  if (auto bound = state->bind(ports.local); !bound) return bound.error();
  asio::co_spawn(executor, State::accept(state), asio::detached);
  return std::unique_ptr<PortForward>(new PortForward(std::move(state)));
}

PortForward::~PortForward() {
  asio::error_code ignored;
  state_->acceptor.close(ignored);
}

PortForward::Ports PortForward::ports() const {
  return {state_->local, state_->remote};
}

}  // namespace tl::guest
