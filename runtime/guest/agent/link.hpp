// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "common/http2/session.hpp"
#include "common/log.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/protocol/handshake.hpp"

namespace tl::guest {

// The agent's end of the link: waits for a handshake, serves one HTTP/2 session, waits for the next
// handshake, for ever. One io_context thread.
//
// The port of a virtio console is peculiar: while nobody has opened the host's side, it is always readable (0
// bytes) and hung up, so that whoever waits for it in the ordinary way spins. We wait for its *changes*
// instead, on an epoll descriptor of our own that is edge-triggered.
class Link {
 public:
  struct Sessions {
    http2::Session::Acceptor accept;  // gets every request of every session
    std::function<void()> ended;      // after each session, when its streams have broken
  };

  // `port` is non-blocking.
  static Result<Link> create(const asio::any_io_executor& executor, UniqueFd port, Sessions sessions,
                             Log log);

  // Never returns unless its descriptors fail. `greeted` becomes true when the first handshake is answered.
  asio::awaitable<void> run(bool& greeted);

 private:
  Link(const asio::any_io_executor& executor, UniqueFd port, UniqueFd changes, Sessions sessions, Log log);

  // Takes handshakes until one is complete and nothing follows it, for a host that tries again has sent
  // several.
  asio::awaitable<Handshake> hunt();
  // False when the host closed the port meanwhile.
  asio::awaitable<bool> echo(Handshake handshake);
  asio::awaitable<void> wait_for_change();
  // EPOLL_CTL_ADD: the port's changes count; EPOLL_CTL_DEL: they do not.
  Result<void> watch(int operation);

  asio::any_io_executor executor_;
  UniqueFd port_;
  asio::posix::stream_descriptor changes_;
  Sessions sessions_;
  Log log_;
};

}  // namespace tl::guest
