// SPDX-License-Identifier: Apache-2.0
#include "common/http2/stream.hpp"

#include <algorithm>
#include <cstring>

#include "common/http2/core.hpp"

namespace tl::http2 {

void ByteQueue::append(std::span<const std::byte> bytes) {
  if (begin_ > 0 && begin_ >= bytes_.size() / 2) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
  }
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

std::size_t ByteQueue::take(std::span<std::byte> into) {
  const std::size_t n = std::min(into.size(), size());
  if (n == 0) return 0;
  std::memcpy(into.data(), bytes_.data() + begin_, n);
  drop(n);
  return n;
}

void ByteQueue::move_to(std::vector<std::byte>& into, std::size_t count) {
  TL_CHECK(count <= size());
  const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(begin_);
  into.insert(into.end(), from, from + static_cast<std::ptrdiff_t>(count));
  drop(count);
}

void ByteQueue::drop(std::size_t count) {
  begin_ += count;
  if (begin_ == bytes_.size()) clear();
}

void ByteQueue::clear() {
  constexpr std::size_t kWorthKeeping = 64 * 1024;
  if (bytes_.capacity() > kWorthKeeping) {
    bytes_ = {};
  } else {
    bytes_.clear();
  }
  begin_ = 0;
}

void Stream::Core::end(bool was_broken) {
  if (ended) return;
  ended = true;
  broken = was_broken;
  session = nullptr;
  outgoing.clear();
  readable.notify_all();
  writable.notify_all();
  over.notify_all();
}

Stream::Stream(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Stream::~Stream() {
  core_->abandoned = true;
  // A response that is complete is still delivered; session.cpp ends the stream behind it. A client that
  // drops the stream does not want the rest of the answer.
  const bool answered =
      core_->we_finished && core_->session != nullptr && core_->session->role == Session::Role::kServer;
  if (!answered) reset(Reset::kCancel);
  if (answered && core_->finish_sent) core_->session->end_exchange(*core_);
}

const std::string& Stream::method() const {
  return core_->method;
}
const std::string& Stream::path() const {
  return core_->path;
}
bool Stream::ended() const {
  return core_->ended;
}
bool Stream::broken() const {
  return core_->broken;
}

asio::awaitable<Result<int>> Stream::status() {
  const auto self = shared_from_this();
  while (core_->status == 0 && !core_->ended) co_await core_->readable.wait();
  if (core_->status == 0) co_return Error{ErrorCode::kFailure, "the connection ended without an answer", ""};
  co_return core_->status;
}

void Stream::respond(int status) {
  TL_CHECK(!core_->responded);
  core_->responded = true;
  core_->status = status;
  if (core_->ended) return;
  const std::string value = std::to_string(status);
  const nghttp2_nv head[] = {field(":status", value)};
  const nghttp2_data_provider body = body_of(*core_);
  nghttp2_submit_response(core_->session->h2, core_->id, head, 1, &body);
  core_->session->wake();
}

asio::awaitable<Result<std::size_t>> Stream::read_some(std::span<std::byte> into) {
  const auto self = shared_from_this();
  while (core_->incoming.empty() && !core_->peer_finished && !core_->ended) co_await core_->readable.wait();
  const std::size_t n = core_->incoming.take(into);
  if (n > 0) {
    if (!core_->ended) {
      nghttp2_session_consume_stream(core_->session->h2, core_->id, n);
      core_->session->wake();
    }
    co_return n;
  }
  if (core_->peer_finished) co_return std::size_t{0};
  co_return Error{ErrorCode::kFailure, "the stream was reset or the connection lost", ""};
}

asio::awaitable<Result<void>> Stream::write(std::span<const std::byte> bytes) {
  const auto self = shared_from_this();
  if (core_->ended) co_return Error{ErrorCode::kFailure, "the stream has ended", ""};
  write_now(bytes);
  while (core_->outgoing.size() > kWriteQueue && !core_->ended) co_await core_->writable.wait();
  if (core_->ended) co_return Error{ErrorCode::kFailure, "the stream has ended", ""};
  co_return Result<void>();
}

void Stream::write_now(std::span<const std::byte> bytes) {
  TL_CHECK(!core_->we_finished);
  if (core_->ended || bytes.empty()) return;
  core_->outgoing.append(bytes);
  nghttp2_session_resume_data(core_->session->h2, core_->id);
  core_->session->wake();
}

void Stream::finish() {
  if (core_->we_finished) return;
  core_->we_finished = true;
  if (core_->ended) return;
  nghttp2_session_resume_data(core_->session->h2, core_->id);
  core_->session->wake();
}

void Stream::keep_open() {
  core_->keeps_open = true;
}

void Stream::reset(Reset code) {
  if (core_->ended) return;
  nghttp2_submit_rst_stream(core_->session->h2, NGHTTP2_FLAG_NONE, core_->id,
                            static_cast<std::uint32_t>(code));
  core_->session->wake();
  core_->end(/*was_broken=*/true);
}

asio::awaitable<void> Stream::wait_ended() {
  const auto self = shared_from_this();
  while (!core_->ended) co_await core_->over.wait();
}

}  // namespace tl::http2
