// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/warm_up.hpp"

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>

#include "runtime/guest/protocol/frame.hpp"

namespace tl::monitor {

using guest::FrameKind;

asio::awaitable<Result<void>> warm_up(guest::AgentClient& agent, std::chrono::milliseconds limit) {
  const auto opened = agent.open_stream(guest::kExecPath);
  if (!opened) co_return opened.error();
  const auto& stream = *opened;
  asio::steady_timer timer(co_await asio::this_coro::executor, limit);
  timer.async_wait([stream](const asio::error_code& cancelled) {
    if (!cancelled) stream->reset(http2::Reset::kCancel);
  });
  guest::ExecRequest request;
  request.argv = {"sh", "-c", "/bin/true"};
  request.listed = false;
  stream->write_now(guest::encode_frame(FrameKind::kStart, guest::encode(request)));
  stream->finish();
  guest::FrameReader reader(stream);
  for (;;) {
    const auto frame = co_await reader.next();
    if (!frame) co_return frame.error().within("run a first command");
    if (frame->kind == FrameKind::kExit || frame->kind == FrameKind::kFailed) co_return Result<void>();
  }
}

}  // namespace tl::monitor
