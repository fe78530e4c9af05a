// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <asio/awaitable.hpp>
#include <asio/generic/stream_protocol.hpp>

#include "common/http2/stream.hpp"

namespace tl::http2 {

using StreamSocket = asio::generic::stream_protocol::socket;

// Joins a connected socket to a stream whose response has begun, in both directions, until both have ended.
// Each direction goes at the pace of its reader; at most a few stream windows are held. The end of one is
// passed on as such and leaves the other open; a reset is passed on as a reset.
asio::awaitable<void> bridge(StreamSocket socket, std::shared_ptr<Stream> stream);

}  // namespace tl::http2
