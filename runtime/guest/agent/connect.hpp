// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "common/http2/bridge.hpp"
#include "common/result.hpp"

namespace tl::guest {

// The PORT of a request's path "/v1/connect/PORT": 1 to 65535, in decimal digits without zeroes in front.
std::optional<std::uint16_t> port_of(std::string_view path);

// A TCP connection to whoever listens on that port of the guest's loopback, by IPv4 or else IPv6.
asio::awaitable<Result<http2::StreamSocket>> connect_loopback(asio::any_io_executor executor,
                                                              std::uint16_t port);

}  // namespace tl::guest
