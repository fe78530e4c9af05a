// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/connect.hpp"

#include <charconv>
#include <string>

#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "runtime/guest/protocol/messages.hpp"

namespace tl::guest {

using asio::ip::tcp;

std::optional<std::uint16_t> port_of(std::string_view path) {
  const std::string_view prefix = kConnectPath;
  if (!path.starts_with(prefix)) return std::nullopt;
  path.remove_prefix(prefix.size());
  std::uint16_t port = 0;
  const auto read = std::from_chars(path.data(), path.data() + path.size(), port);
  if (read.ec != std::errc() || read.ptr != path.data() + path.size()) return std::nullopt;
  if (port == 0 || path.front() == '0') return std::nullopt;
  return port;
}

asio::awaitable<Result<http2::StreamSocket>> connect_loopback(asio::any_io_executor executor,
                                                              std::uint16_t port) {
  asio::error_code failed;
  for (const asio::ip::address& address : {asio::ip::address(asio::ip::address_v4::loopback()),
                                           asio::ip::address(asio::ip::address_v6::loopback())}) {
    tcp::socket socket(executor);
    co_await socket.async_connect({address, port}, asio::redirect_error(asio::use_awaitable, failed));
    if (failed) continue;
    socket.set_option(tcp::no_delay(true), failed);
    co_return http2::StreamSocket(std::move(socket));
  }
  const std::string what = failed == asio::error::connection_refused
                               ? "nobody listens on port " + std::to_string(port)
                               : "port " + std::to_string(port) + ": " + failed.message();
  co_return Error{ErrorCode::kNotFound, what, ""};
}

}  // namespace tl::guest
