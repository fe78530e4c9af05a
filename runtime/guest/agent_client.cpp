// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent_client.hpp"

#include <algorithm>
#include <optional>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "common/async_event.hpp"
#include "common/printable.hpp"
#include "runtime/guest/protocol/handshake.hpp"

namespace tl::guest {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// What the guest may answer to configure and metrics.
constexpr std::size_t kMaxAnswer = 64 * 1024;
// What of the guest's words reaches people.
constexpr std::size_t kMaxQuote = 500;
// An agent that has been silent for so long after its last words waits for the next handshake.
constexpr milliseconds kSilence{20};
constexpr int kOk = 200;
constexpr int kWrongState = 409;

Error no_answer(milliseconds limit) {
  return Error{ErrorCode::kFailure,
               "the agent did not answer within " + std::to_string(limit.count()) + " ms", ""};
}

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

asio::awaitable<Result<void>> make_handshake(std::shared_ptr<Opening> opening,
                                             AgentClient::ConnectLimits limits) {
  const auto deadline = Clock::now() + limits.total;
  milliseconds patience = limits.retry;
  if (limits.old_session == AgentClient::ConnectLimits::OldSession::kOpen) {
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
  co_return no_answer(limits.total);
}

}  // namespace

struct AgentClient::Life {
  explicit Life(const asio::any_io_executor& executor) : changed(executor) {}
  AsyncEvent changed;
  std::optional<Error> lost;

  void end(const Result<void>& outcome) {
    if (lost) return;
    lost = outcome ? Error{ErrorCode::kFailure, "the agent link was closed", ""}
                   : outcome.error().within("the agent link");
    changed.notify_all();
  }

  static asio::awaitable<void> follow(std::shared_ptr<Life> life, std::shared_ptr<http2::Session> session) {
    const auto outcome = co_await session->run();
    life->end(outcome);
  }
};

AgentClient::AgentClient(std::shared_ptr<http2::Session> session, std::shared_ptr<Life> life)
    : session_(std::move(session)), life_(std::move(life)) {}

AgentClient::~AgentClient() {
  close();
}

asio::awaitable<Result<std::unique_ptr<AgentClient>>> AgentClient::connect(UniqueFd link,
                                                                           ConnectLimits limits) {
  const auto executor = co_await asio::this_coro::executor;
  const auto opening = std::make_shared<Opening>(executor, std::move(link));
  const auto made = co_await make_handshake(opening, limits);
  opening->end_attempt();
  if (!made) co_return made.error();
  auto session = http2::Session::create(executor, opening->release(), http2::Session::Role::kClient);
  auto life = std::make_shared<Life>(executor);
  asio::co_spawn(executor, Life::follow(life, session), asio::detached);
  co_return std::unique_ptr<AgentClient>(new AgentClient(std::move(session), std::move(life)));
}

asio::awaitable<Result<std::vector<std::byte>>> AgentClient::exchange(std::shared_ptr<http2::Session> session,
                                                                      std::string path,
                                                                      std::vector<std::byte> body,
                                                                      milliseconds limit) {
  const auto opened = session->request("POST", path);
  if (!opened) co_return opened.error();
  const auto& stream = *opened;
  const auto late = std::make_shared<bool>(false);
  asio::steady_timer timer(co_await asio::this_coro::executor, limit);
  timer.async_wait([stream, late](const asio::error_code& cancelled) {
    if (cancelled) return;
    *late = true;
    stream->reset(http2::Reset::kCancel);
  });
  stream->write_now(body);
  stream->finish();
  const auto status = co_await stream->status();
  if (!status) co_return *late ? no_answer(limit) : status.error();
  std::vector<std::byte> answer;
  for (;;) {
    constexpr std::size_t kStep = 4096;
    const std::size_t have = answer.size();
    answer.resize(have + kStep);
    const auto got = co_await stream->read_some(std::span(answer).subspan(have));
    answer.resize(have + (got ? *got : 0));
    if (!got) co_return *late ? no_answer(limit) : got.error();
    if (*got == 0) break;
    if (answer.size() > kMaxAnswer) {
      stream->reset(http2::Reset::kCancel);
      co_return Error{ErrorCode::kFailure, "the agent's answer to " + path + " is too long", ""};
    }
  }
  if (*status != kOk) {
    const std::string_view words(reinterpret_cast<const char*>(answer.data()), answer.size());
    co_return Error{*status == kWrongState ? ErrorCode::kConflict : ErrorCode::kFailure,
                    "the agent refused " + path + ": " + make_printable(words, kMaxQuote), ""};
  }
  co_return answer;
}

asio::awaitable<Result<void>> AgentClient::configure(Configuration configuration, milliseconds limit) {
  const auto answer = co_await exchange(session_, kConfigurePath, encode(configuration), limit);
  if (!answer) co_return answer.error().within("configure the guest");
  const auto report = decode<ConfigureReport>(*answer);
  if (!report) co_return report.error().within("configure the guest: the agent's answer");
  if (!report->error.empty()) {
    co_return Error{ErrorCode::kFailure, "configure the guest: " + make_printable(report->error, kMaxQuote),
                    ""};
  }
  co_return Result<void>();
}

asio::awaitable<Result<Metrics>> AgentClient::metrics(milliseconds limit) {
  const auto answer = co_await exchange(session_, kMetricsPath, {}, limit);
  if (!answer) co_return answer.error().within("ask the guest for its metrics");
  auto metrics = decode<Metrics>(*answer);
  if (!metrics) co_return metrics.error().within("the guest's metrics");
  co_return metrics;
}

asio::awaitable<Result<void>> AgentClient::freeze(milliseconds lease, milliseconds limit) {
  const auto answer = co_await exchange(session_, kFreezePath, encode(FreezeRequest{lease}), limit);
  if (!answer) co_return answer.error().within("freeze the guest's file system");
  co_return Result<void>();
}

asio::awaitable<Result<void>> AgentClient::thaw(milliseconds limit) {
  const auto answer = co_await exchange(session_, kThawPath, {}, limit);
  if (!answer) co_return answer.error().within("thaw the guest's file system");
  co_return Result<void>();
}

asio::awaitable<Result<void>> AgentClient::write_back(milliseconds limit) {
  const auto answer = co_await exchange(session_, kWriteBackPath, {}, limit);
  if (!answer) co_return answer.error().within("write the guest's file system back");
  co_return Result<void>();
}

asio::awaitable<Result<void>> AgentClient::quiesce(milliseconds limit) {
  const auto answer = co_await exchange(session_, kQuiescePath, {}, limit);
  if (!answer) co_return answer.error().within("stop the guest's processes");
  co_return Result<void>();
}

asio::awaitable<Result<void>> AgentClient::release(milliseconds limit) {
  const auto answer = co_await exchange(session_, kReleasePath, {}, limit);
  if (!answer) co_return answer.error().within("let the guest's processes go on");
  co_return Result<void>();
}

Result<std::shared_ptr<http2::Stream>> AgentClient::open_stream(const std::string& path) {
  return session_->request("POST", path);
}

bool AgentClient::lost() const {
  return life_->lost.has_value();
}

asio::awaitable<Error> AgentClient::wait_lost() {
  const auto life = life_;
  while (!life->lost) co_await life->changed.wait();
  co_return *life->lost;
}

asio::awaitable<Result<UniqueFd>> AgentClient::part(milliseconds limit) {
  UniqueFd link = session_->detach();
  life_->end({});
  if (!link) co_return Error{ErrorCode::kFailure, "the agent link was closed", ""};
  const auto opening = std::make_shared<Opening>(co_await asio::this_coro::executor, std::move(link));
  auto parted = co_await end_old_session(opening, limit);
  if (parted) parted = co_await await_silence(opening, limit);
  opening->end_attempt();
  if (!parted) co_return parted.error();
  co_return opening->release();
}

void AgentClient::close() {
  session_->close();
  life_->end({});
}

}  // namespace tl::guest
