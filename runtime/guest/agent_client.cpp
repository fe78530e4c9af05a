// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent_client.hpp"

#include <optional>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>

#include "common/async_event.hpp"
#include "common/printable.hpp"

namespace tl::guest {
namespace {

using std::chrono::milliseconds;

// What the guest may answer to configure and metrics.
constexpr std::size_t kMaxAnswer = 64 * 1024;
// What of the guest's words reaches people.
constexpr std::size_t kMaxQuote = 500;
constexpr int kOk = 200;
constexpr int kWrongState = 409;

Error no_answer(milliseconds limit) {
  return Error{ErrorCode::kFailure,
               "the agent did not answer within " + std::to_string(limit.count()) + " ms", ""};
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
                                                                           HandshakeLimits limits) {
  const auto executor = co_await asio::this_coro::executor;
  auto opened = co_await open_agent_link(std::move(link), limits);
  if (!opened) co_return opened.error();
  auto session = http2::Session::create(executor, *std::move(opened), http2::Session::Role::kClient);
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
  auto left = co_await leave_agent_link(std::move(link), limit);
  co_return left;
}

void AgentClient::close() {
  session_->close();
  life_->end({});
}

}  // namespace tl::guest
