// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent_link.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <asio/posix/stream_descriptor.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "runtime/guest/protocol/handshake.hpp"

namespace tl::guest {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// An agent that has been silent for so long after its last words waits for the next handshake.
constexpr milliseconds kSilence{20};

Error link_error(const asio::error_code& failed) {
  return Error{ErrorCode::kFailure, "the agent link: " + failed.message(), ""};
}

// The link before HTTP/2, in attempts that have their time. Shared with timers, whose handlers may run later.
class Opening : public std::enable_shared_from_this<Opening> {
 public:
  Opening(const asio::any_io_executor& executor, UniqueFd link)
      : descriptor_(executor, link.release()), timer_(executor) {}

  // What is begun from here on ends at `until`, with operation_aborted.
  void begin_attempt(Clock::time_point until) {
    until_ = until;
    timer_.expires_at(until);
    timer_.async_wait([self = shared_from_this(), attempt = ++attempt_](const asio::error_code& cancelled) {
      asio::error_code ignored;
      if (!cancelled && self->attempt_ == attempt) self->descriptor_.cancel(ignored);
    });
  }
  // Zero bytes when it has failed.
  asio::awaitable<std::size_t> read_some(std::span<std::byte> into, asio::error_code& failed) {
    if (is_late(failed)) co_return 0;
    co_return co_await descriptor_.async_read_some(asio::buffer(into.data(), into.size()),
                                                   asio::redirect_error(asio::use_awaitable, failed));
  }
  asio::awaitable<void> write(std::span<const std::byte> bytes, asio::error_code& failed) {
    while (!bytes.empty() && !is_late(failed)) {
      const std::size_t n = co_await descriptor_.async_write_some(
          asio::buffer(bytes.data(), bytes.size()), asio::redirect_error(asio::use_awaitable, failed));
      if (failed) co_return;
      bytes = bytes.subspan(n);
    }
  }
  // Something to read is there.
  [[nodiscard]] bool has_more() {
    asio::posix::stream_descriptor::bytes_readable there;
    asio::error_code ignored;
    descriptor_.io_control(there, ignored);
    return there.get() > 0;
  }
  // A timer that is about to strike finds that it is late.
  void end_attempt() {
    ++attempt_;
    timer_.cancel();
  }
  // Between attempts.
  UniqueFd release() { return UniqueFd(descriptor_.release()); }

 private:
  // The timer ends what waits in the moment it strikes. What has just come to its end then is not stopped by
  // it, and what follows would wait for ever: hence a look at the clock before each.
  [[nodiscard]] bool is_late(asio::error_code& failed) const {
    if (Clock::now() < until_) return false;
    failed = asio::error::operation_aborted;
    return true;
  }

  asio::posix::stream_descriptor descriptor_;
  asio::steady_timer timer_;
  Clock::time_point until_;
  unsigned attempt_ = 0;
};

// True when the agent has sent this handshake back, false when it has not in time.
asio::awaitable<Result<bool>> await_echo(std::shared_ptr<Opening> opening, Handshake handshake) {
  HandshakeFinder finder(handshake);
  std::array<std::byte, kHandshakeBytes> bytes;
  for (;;) {
    asio::error_code failed;
    const std::size_t n = co_await opening->read_some(std::span(bytes).first(finder.wanted()), failed);
    if (failed == asio::error::operation_aborted) co_return false;
    if (failed) co_return link_error(failed);
    if (finder.take(std::span(bytes).first(n))) co_return true;
  }
}

// Ends a session that the agent is still in, and waits until the agent says so: its last words are a GOAWAY,
// and what comes before them it would take for a part of that session. An agent without one says nothing.
asio::awaitable<Result<void>> end_old_session(std::shared_ptr<Opening> opening, milliseconds patience) {
  const std::vector<std::byte> flush(kFlushBytes, std::byte{0xFF});
  opening->begin_attempt(Clock::now() + patience);
  asio::error_code failed;
  co_await opening->write(flush, failed);
  if (!failed) {
    std::array<std::byte, 256> words;
    co_await opening->read_some(words, failed);
  }
  if (failed && failed != asio::error::operation_aborted) co_return link_error(failed);
  co_return Result<void>();
}

// Discards what still comes, until nothing does. kFailure when something still does after `limit`.
asio::awaitable<Result<void>> await_silence(std::shared_ptr<Opening> opening, milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  while (Clock::now() < deadline) {
    asio::error_code failed;
    std::array<std::byte, 256> words;
    opening->begin_attempt(Clock::now() + kSilence);
    co_await opening->read_some(words, failed);
    if (failed && failed != asio::error::operation_aborted) co_return link_error(failed);
    if (failed && !opening->has_more()) co_return Result<void>();
  }
  co_return Error{ErrorCode::kFailure,
                  "the agent was not silent within " + std::to_string(limit.count()) + " ms", ""};
}

asio::awaitable<Result<void>> make_handshake(std::shared_ptr<Opening> opening, HandshakeLimits limits) {
  const auto deadline = Clock::now() + limits.total;
  milliseconds patience = limits.retry;
  if (limits.old_session == HandshakeLimits::OldSession::kOpen) {
    const auto ended = co_await end_old_session(opening, patience);
    if (!ended) co_return ended.error();
  }
  std::vector<std::byte> message;  // empty in front of the first
  while (Clock::now() < deadline) {
    const Handshake handshake = new_handshake();
    message.insert(message.end(), handshake.begin(), handshake.end());
    opening->begin_attempt(std::min(deadline, Clock::now() + patience));
    asio::error_code failed;
    co_await opening->write(message, failed);
    if (failed && failed != asio::error::operation_aborted) co_return link_error(failed);
    if (!failed) {
      const auto echoed = co_await await_echo(opening, handshake);
      if (!echoed) co_return echoed.error();
      if (*echoed) co_return Result<void>();
    }
    patience *= 2;
    message.assign(kFlushBytes, std::byte{0xFF});
  }
  co_return Error{ErrorCode::kFailure,
                  "the agent did not answer within " + std::to_string(limits.total.count()) + " ms", ""};
}

}  // namespace

asio::awaitable<Result<UniqueFd>> open_agent_link(UniqueFd link, HandshakeLimits limits) {
  const auto opening = std::make_shared<Opening>(co_await asio::this_coro::executor, std::move(link));
  const auto made = co_await make_handshake(opening, limits);
  opening->end_attempt();
  if (!made) co_return made.error();
  co_return opening->release();
}

asio::awaitable<Result<UniqueFd>> leave_agent_link(UniqueFd link, milliseconds limit) {
  const auto opening = std::make_shared<Opening>(co_await asio::this_coro::executor, std::move(link));
  auto left = co_await end_old_session(opening, limit);
  if (left) left = co_await await_silence(opening, limit);
  opening->end_attempt();
  if (!left) co_return left.error();
  co_return opening->release();
}

}  // namespace tl::guest
