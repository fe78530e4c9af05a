// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include <asio/awaitable.hpp>

#include "common/http2/stream.hpp"
#include "common/result.hpp"

// Requests and answers that are one message.
namespace tl::guest {

inline constexpr std::size_t kMaxBody = 64 * 1024;

// A whole request body; an error when it is too long or breaks off.
asio::awaitable<Result<std::vector<std::byte>>> read_body(std::shared_ptr<http2::Stream> stream);

// The whole answer.
asio::awaitable<void> answer(std::shared_ptr<http2::Stream> stream, int status, std::vector<std::byte> body);

// A sentence as such a body.
std::vector<std::byte> text(std::string_view words);

}  // namespace tl::guest
