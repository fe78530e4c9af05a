// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/replies.hpp"

namespace tl::guest {

asio::awaitable<Result<std::vector<std::byte>>> read_body(std::shared_ptr<http2::Stream> stream) {
  constexpr std::size_t kStep = 4096;
  std::vector<std::byte> body;
  for (;;) {
    const std::size_t have = body.size();
    body.resize(have + kStep);
    const auto got = co_await stream->read_some(std::span(body).subspan(have));
    body.resize(have + (got ? *got : 0));
    if (!got) co_return got.error();
    if (*got == 0) co_return body;
    if (body.size() > kMaxBody) co_return Error{ErrorCode::kOutOfRange, "the request is too long", ""};
  }
}

asio::awaitable<void> answer(std::shared_ptr<http2::Stream> stream, int status, std::vector<std::byte> body) {
  stream->respond(status);
  if (!body.empty()) co_await stream->write(body);
  stream->finish();
}

std::vector<std::byte> text(std::string_view words) {
  const auto bytes = std::as_bytes(std::span(words.data(), words.size()));
  return {bytes.begin(), bytes.end()};
}

}  // namespace tl::guest
