// SPDX-License-Identifier: Apache-2.0
// The requests about processes that were started before.
#include "runtime/guest/agent/replies.hpp"
#include "runtime/guest/agent/service.hpp"

namespace tl::guest {
namespace {

using StreamPtr = std::shared_ptr<http2::Stream>;

// The request's body as a message; none when it has been answered, or nobody waits for an answer.
template <typename Message>
asio::awaitable<std::optional<Message>> take(StreamPtr stream) {
  const auto body = co_await read_body(stream);
  if (!body) {
    stream->reset(http2::Reset::kCancel);
    co_return std::nullopt;
  }
  auto message = decode<Message>(*body);
  if (message) co_return *std::move(message);
  co_await answer(stream, 400, text(message.error().message));
  co_return std::nullopt;
}

}  // namespace

asio::awaitable<void> Service::list_processes(StreamPtr stream) {
  co_await answer(stream, 200, encode(processes_.list()));
}

asio::awaitable<void> Service::signal_process(StreamPtr stream) {
  auto request = co_await take<ProcessRequest>(stream);
  if (!request) co_return;
  const ProcessAnswer done = co_await processes_.signal(*std::move(request));
  co_await answer(stream, 200, encode(done));
}

asio::awaitable<void> Service::restart_process(StreamPtr stream) {
  auto request = co_await take<ProcessRequest>(stream);
  if (!request) co_return;
  const ProcessAnswer done = co_await processes_.restart(*std::move(request));
  co_await answer(stream, 200, encode(done));
}

asio::awaitable<void> Service::show_log(StreamPtr stream) {
  auto request = co_await take<LogsRequest>(stream);
  if (!request) co_return;
  auto process = processes_.find_detached(request->process);
  if (!process) {
    co_await answer(stream, 404, text("no such process, or it was not detached"));
    co_return;
  }
  stream->respond(200);
  co_await processes_.show_log(std::move(stream), std::move(process), *std::move(request));
}

}  // namespace tl::guest
