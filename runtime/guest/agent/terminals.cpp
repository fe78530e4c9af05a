// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/terminals.hpp"

#include <utility>

#include "runtime/guest/agent/terminal_client.hpp"

namespace tl::guest {

asio::awaitable<void> Terminals::execute(std::shared_ptr<http2::Stream> stream, FrameReader frames,
                                         ExecRequest request) {
  if (sessions_.size() >= kMaxTerminals) {
    ExecFailure failed{ExecFailure::Kind::kOther, "too many terminals are open in the sandbox"};
    co_await send_failure(stream, std::move(failed));
    co_return;
  }
  const auto number = std::make_shared<std::int64_t>(0);
  auto session =
      std::make_shared<TerminalSession>(context_, lease_, [this, number] { sessions_.erase(*number); });
  if (auto failed = session->start(request)) {
    co_await send_failure(stream, std::move(*failed));
    co_return;
  }
  *number = session->number();
  sessions_[*number] = session;
  const auto client = std::make_shared<TerminalClient>(context_, session, stream, std::move(frames));
  stream.reset();
  session.reset();
  co_await client->run(request.stdin_stream ? Keyboard::kSent : Keyboard::kNone);
}

asio::awaitable<void> Terminals::attach(std::shared_ptr<http2::Stream> stream, FrameReader frames,
                                        AttachRequest request) {
  const auto session = sessions_.at(request.session);
  session->resize(request.size);
  session->redraw();
  const auto client = std::make_shared<TerminalClient>(context_, session, stream, std::move(frames));
  stream.reset();
  co_await client->run(Keyboard::kSent);
}

TerminalList Terminals::list() const {
  TerminalList list;
  for (const auto& [number, session] : sessions_) list.terminals.push_back(session->info());
  return list;
}

void Terminals::remove(std::int64_t session) {
  sessions_.at(session)->hang_up();
}

}  // namespace tl::guest
