// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/link.hpp"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <optional>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace tl::guest {

Link::Link(const asio::any_io_executor& executor, UniqueFd port, UniqueFd changes, Sessions sessions, Log log)
    : executor_(executor),
      port_(std::move(port)),
      changes_(executor, changes.release()),
      sessions_(std::move(sessions)),
      log_(log) {}

Result<Link> Link::create(const asio::any_io_executor& executor, UniqueFd port, Sessions sessions, Log log) {
  UniqueFd changes(::epoll_create1(EPOLL_CLOEXEC));
  if (!changes) return errno_error("epoll_create1");
  Link link(executor, std::move(port), std::move(changes), std::move(sessions), log);
  if (auto watched = link.watch(EPOLL_CTL_ADD); !watched) return watched.error();
  return link;
}

Result<void> Link::watch(int operation) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  if (::epoll_ctl(changes_.native_handle(), operation, port_.get(), &event) == 0) return {};
  return errno_error("watch the agent port");
}

// A change that came before the call and after the last one counts: look at the port only after taking it.
asio::awaitable<void> Link::wait_for_change() {
  asio::error_code ignored;
  co_await changes_.async_wait(asio::posix::stream_descriptor::wait_read,
                               asio::redirect_error(asio::use_awaitable, ignored));
  epoll_event event{};
  ::epoll_wait(changes_.native_handle(), &event, 1, 0);
}

asio::awaitable<Handshake> Link::hunt() {
  HandshakeFinder finder(kHandshakeMagic);
  std::optional<Handshake> latest;
  for (;;) {
    std::array<std::byte, kHandshakeBytes> bytes;
    const ssize_t n = ::read(port_.get(), bytes.data(), finder.wanted());
    if (n > 0) {
      if (!finder.take(std::span(bytes).first(static_cast<std::size_t>(n)))) continue;
      latest = finder.found();
      finder.restart();
    } else if (n == 0) {
      // Nobody is there. What was sent before belongs to nobody.
      latest.reset();
      finder.restart();
      co_await wait_for_change();
    } else if (errno != EINTR) {
      if (latest && errno == EAGAIN) co_return *latest;
      co_await wait_for_change();
    }
  }
}

asio::awaitable<bool> Link::echo(Handshake handshake) {
  std::span<const std::byte> rest = handshake;
  while (!rest.empty()) {
    const ssize_t n = ::write(port_.get(), rest.data(), rest.size());
    if (n > 0) {
      rest = rest.subspan(static_cast<std::size_t>(n));
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    pollfd look{port_.get(), 0, 0};
    ::poll(&look, 1, 0);
    if ((look.revents & (POLLHUP | POLLERR)) != 0) co_return false;
    co_await wait_for_change();
  }
  co_return true;
}

asio::awaitable<void> Link::run(bool& greeted) {
  std::shared_ptr<http2::Session> session;
  for (;;) {
    // Before anybody is there: a guest that is saved meanwhile has done it for all that go on from there.
    if (!session)
      session = http2::Session::prepare(executor_, http2::Session::Role::kServer, sessions_.accept);
    const Handshake handshake = co_await hunt();
    const bool there = co_await echo(handshake);
    if (!there) continue;
    greeted = true;
    auto port = duplicate(port_);
    if (!port) {
      log_.info("link: {}", port.error().message);
      continue;
    }
    session->attach(std::move(*port));
    // Looking at the port takes what has arrived out of the virtqueue, and the driver wakes nobody for what
    // is not in there any more: two who watch lose what came when the other looked.
    if (auto left = watch(EPOLL_CTL_DEL); !left) log_.info("link: {}", left.error().message);
    co_await session->run();
    session.reset();
    sessions_.ended();
    if (auto watched = watch(EPOLL_CTL_ADD); !watched) log_.info("link: {}", watched.error().message);
  }
}

}  // namespace tl::guest
