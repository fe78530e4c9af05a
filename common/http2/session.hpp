// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "common/http2/stream.hpp"
#include "common/unique_fd.hpp"

namespace tl::http2 {

// One HTTP/2 connection (RFC 9113, by libnghttp2, prior knowledge, no TLS) over any pollable byte stream: a
// Unix socket, one end of a socket pair, a virtio-serial port. Used on three links with the same messages:
// CLI → monitor, monitor → agent, and inside the agent.
//
// All of it runs on one io_context thread. The session owns the descriptor. It lives as long as somebody
// holds the shared_ptr or its run() has not returned. When the connection ends, every stream ends with an
// error.
class Session : public std::enable_shared_from_this<Session> {
 public:
  enum class Role { kClient, kServer };

  // Called on the server for each request, as soon as its header block is complete.
  using Acceptor = std::function<void(std::shared_ptr<Stream>)>;

  // `acceptor` is needed by servers only. The descriptor is set non-blocking.
  static std::shared_ptr<Session> create(const asio::any_io_executor& executor, UniqueFd fd, Role role,
                                         Acceptor acceptor = {});
  // The same in two steps: all that can be done before there is a peer, and the rest. Nothing else may be
  // called in between. A descriptor that cannot be waited for is closed, and run() fails.
  static std::shared_ptr<Session> prepare(const asio::any_io_executor& executor, Role role,
                                          Acceptor acceptor = {});
  void attach(UniqueFd fd);
  ~Session();

  // Moves bytes until the connection ends: by the peer (an error that says so), by a violation of the
  // protocol, or by close() (success). Call once, by co_spawn.
  asio::awaitable<Result<void>> run();

  // Client: opens a stream. The request is sent with the next turn of the loop, together with what is written
  // to the stream until then. `path` starts with a slash. Fails when the session has ended.
  Result<std::shared_ptr<Stream>> request(const std::string& method, const std::string& path);

  // Ends the connection now; run() returns. Idempotent.
  void close();
  // The same, but leaves the descriptor open, non-blocking, and gives it back: none when the connection has
  // ended.
  UniqueFd detach();

  [[nodiscard]] bool closed() const;
  [[nodiscard]] std::size_t open_streams() const;

  struct Impl;  // core.hpp

 private:
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tl::http2
