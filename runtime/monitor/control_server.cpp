// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/control_server.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "runtime/monitor/control.hpp"

namespace tl::monitor {
namespace {

// Only the folder's mode keeps strangers out of the socket; this is the second lock on the door.
bool is_ours(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

}  // namespace

ControlServer::ControlServer(const asio::any_io_executor& executor, UniqueFd listener, const Log& log,
                             Handler handler)
    : executor_(executor),
      socket_(std::move(listener)),
      listener_(executor),
      log_(log),
      handler_(std::move(handler)) {}

asio::awaitable<void> ControlServer::run() {
  constexpr std::chrono::milliseconds kOutOfDescriptors{100};
  listener_.assign(socket_.release());
  listener_.non_blocking(true);
  if (const auto ours = adopt_control(listener_.native_handle()); !ours)
    log_.info("{}", ours.error().message);
  while (listener_.is_open()) {
    asio::error_code failed;
    co_await listener_.async_wait(asio::posix::stream_descriptor::wait_read,
                                  asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return;
    UniqueFd peer(::accept4(listener_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!peer) {
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) continue;
      log_.info("control socket: {}", errno_error("accept").message);
      asio::steady_timer pause(executor_, kOutOfDescriptors);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failed));
      continue;
    }
    if (!is_ours(peer.get())) continue;
    auto session =
        http2::Session::create(executor_, std::move(peer), http2::Session::Role::kServer, handler_);
    sessions_.insert(session);
    asio::co_spawn(executor_, serve(std::move(session)), asio::detached);
  }
}

asio::awaitable<void> ControlServer::serve(std::shared_ptr<http2::Session> session) {
  const auto ended = co_await session->run();
  if (!ended) log_.debug("control connection: {}", ended.error().message);
  sessions_.erase(session);
}

void ControlServer::close() {
  asio::error_code ignored;
  listener_.close(ignored);
  for (const auto& session : sessions_) session->close();
}

}  // namespace tl::monitor
