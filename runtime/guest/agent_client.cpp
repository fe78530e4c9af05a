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
#include <asio/write.hpp>

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

// The link before HTTP/2. Shared with timers, whose handlers may run after their time.
struct Opening {
  Opening(const asio::any_io_executor& executor, UniqueFd link)
      : descriptor(executor, link.release()), timer(executor) {}
  asio::posix::stream_descriptor descriptor;
  asio::steady_timer timer;
  unsigned attempt = 0;

  // A timer that is about to strike finds that it is late.
  void settle() {
    ++attempt;
    timer.cancel();
  }
};

// Cancels what the descriptor waits for in this attempt.
void limit_attempt(const std::shared_ptr<Opening>& opening, Clock::time_point until) {
  opening->timer.expires_at(until);
  opening->timer.async_wait([opening, attempt = ++opening->attempt](const asio::error_code& cancelled) {
    asio::error_code ignored;
    if (!cancelled && opening->attempt == attempt) opening->descriptor.cancel(ignored);
  });
}

// True when the agent has sent this handshake back, false when it has not in time.
asio::awaitable<Result<bool>> await_echo(std::shared_ptr<Opening> opening, Handshake handshake) {
  HandshakeFinder finder(handshake);
  std::array<std::byte, kHandshakeBytes> bytes;
  for (;;) {
    asio::error_code failed;
    const std::size_t n = co_await opening->descriptor.async_read_some(
        asio::buffer(bytes.data(), finder.wanted()), asio::redirect_error(asio::use_awaitable, failed));
    if (failed == asio::error::operation_aborted) co_return false;
    if (failed) co_return Error{ErrorCode::kFailure, "the agent link: " + failed.message(), ""};
    if (finder.take(std::span(bytes).first(n))) co_return true;
  }
}

// Ends a session that the agent is still in, and waits until the agent says so: its last words are a GOAWAY,
// and what comes before them it would take for a part of that session. An agent without one says nothing.
asio::awaitable<Result<void>> end_old_session(std::shared_ptr<Opening> opening, milliseconds patience) {
  const std::vector<std::byte> flush(kFlushBytes, std::byte{0xFF});
  limit_attempt(opening, Clock::now() + patience);
  asio::error_code failed;
  co_await asio::async_write(opening->descriptor, asio::buffer(flush.data(), flush.size()),
                             asio::redirect_error(asio::use_awaitable, failed));
  if (!failed) {
    std::array<std::byte, 256> words;
    co_await opening->descriptor.async_read_some(asio::buffer(words.data(), words.size()),
                                                 asio::redirect_error(asio::use_awaitable, failed));
  }
  if (failed && failed != asio::error::operation_aborted)
    co_return Error{ErrorCode::kFailure, "the agent link: " + failed.message(), ""};
  co_return Result<void>();
}

// Discards what still comes, until nothing does.
asio::awaitable<Result<void>> await_silence(std::shared_ptr<Opening> opening) {
  asio::error_code failed;
  while (!failed) {
    std::array<std::byte, 256> words;
    limit_attempt(opening, Clock::now() + kSilence);
    co_await opening->descriptor.async_read_some(asio::buffer(words.data(), words.size()),
                                                 asio::redirect_error(asio::use_awaitable, failed));
  }
  if (failed == asio::error::operation_aborted) co_return Result<void>();
  co_return Error{ErrorCode::kFailure, "the agent link: " + failed.message(), ""};
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
    limit_attempt(opening, std::min(deadline, Clock::now() + patience));
    asio::error_code failed;
    co_await asio::async_write(opening->descriptor, asio::buffer(message.data(), message.size()),
                               asio::redirect_error(asio::use_awaitable, failed));
    if (failed && failed != asio::error::operation_aborted) {
      co_return Error{ErrorCode::kFailure, "the agent link: " + failed.message(), ""};
    }
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
  opening->settle();
  if (!made) co_return made.error();
  auto session = http2::Session::create(executor, UniqueFd(opening->descriptor.release()),
                                        http2::Session::Role::kClient);
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
  if (parted) parted = co_await await_silence(opening);
  opening->settle();
  if (!parted) co_return parted.error();
  co_return UniqueFd(opening->descriptor.release());
}

void AgentClient::close() {
  session_->close();
  life_->end({});
}

}  // namespace tl::guest
