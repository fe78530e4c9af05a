// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/guest_command.hpp"

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>

#include "runtime/guest/protocol/frame.hpp"

namespace tl::monitor {

using guest::FrameKind;

asio::awaitable<Result<std::optional<guest::ExecFailure>>> run_in_guest(guest::AgentClient& agent,
                                                                        std::vector<std::byte> request,
                                                                        std::chrono::milliseconds limit) {
  const auto opened = agent.open_stream(guest::kExecPath);
  if (!opened) co_return opened.error();
  const auto& stream = *opened;
  asio::steady_timer timer(co_await asio::this_coro::executor, limit);
  timer.async_wait([stream](const asio::error_code& cancelled) {
    if (!cancelled) stream->reset(http2::Reset::kCancel);
  });
  stream->write_now(guest::encode_frame(FrameKind::kStart, request));
  stream->finish();
  guest::FrameReader reader(stream);
  bool started = false;
  for (;;) {
    const auto frame = co_await reader.next();
    // The stream of a detached one ends when it has started.
    if (!frame && started && reader.at_end()) co_return std::optional<guest::ExecFailure>();
    if (!frame) co_return frame.error();
    if (frame->kind == FrameKind::kExit) co_return std::optional<guest::ExecFailure>();
    if (frame->kind == FrameKind::kStarted) started = true;
    if (frame->kind != FrameKind::kFailed) continue;
    auto failure = guest::decode<guest::ExecFailure>(frame->payload);
    if (!failure) co_return failure.error();
    co_return std::optional(*std::move(failure));
  }
}

}  // namespace tl::monitor
