// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <asio/awaitable.hpp>

#include "common/http2/stream.hpp"

namespace tl::monitor {

// Joins a request that a client made of us to the same request that we make of the agent, until it is
// answered whole. Bytes are passed on untouched, with the reader's pace felt by the writer: at most two
// stream windows are held. A client that goes away ends the agent's side. False when the agent's side broke
// off: the client's is then left as it is, for the caller to end once it knows what happened.
asio::awaitable<bool> relay(std::shared_ptr<http2::Stream> client, std::shared_ptr<http2::Stream> agent);

// The same for a connection, whose two directions end each for itself. What breaks off on one side is broken
// off on the other.
asio::awaitable<void> relay_connection(std::shared_ptr<http2::Stream> client,
                                       std::shared_ptr<http2::Stream> agent);

}  // namespace tl::monitor
