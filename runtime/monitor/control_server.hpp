// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <set>

#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "common/http2/session.hpp"
#include "common/log.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::monitor {

// Accepts connections on the control socket and hands every request to one handler. A peer that speaks
// nonsense loses its connection, nobody else does. Runs on the executor's thread.
class ControlServer {
 public:
  using Handler = std::function<void(std::shared_ptr<http2::Stream>)>;

  // `log` outlives the server.
  ControlServer(const asio::any_io_executor& executor, UniqueFd listener, const Log& log, Handler handler);

  // Accepts until close(). Call once, by co_spawn; the server outlives it.
  asio::awaitable<void> run();
  // No more connections; those that exist end.
  void close();

 private:
  asio::awaitable<void> serve(std::shared_ptr<http2::Session> session);

  asio::any_io_executor executor_;
  UniqueFd socket_;  // until run()
  asio::posix::stream_descriptor listener_;
  const Log& log_;
  Handler handler_;
  std::set<std::shared_ptr<http2::Session>> sessions_;
};

}  // namespace tl::monitor
