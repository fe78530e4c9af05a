// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/log_client.hpp"

#include <memory>
#include <optional>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include "common/http2/session.hpp"
#include "common/readiness.hpp"
#include "runtime/guest/protocol/frame.hpp"

namespace tl {
namespace {

using StreamPtr = std::shared_ptr<http2::Stream>;
using Take = std::function<bool(const guest::LogPiece&)>;

constexpr int kOk = 200;
constexpr int kNoSuchLog = 404;

Error lost() {
  return Error{ErrorCode::kFailure, "the connection to the sandbox was lost", ""};
}

asio::awaitable<Result<void>> receive(StreamPtr stream, const Take* take) {
  const auto status = co_await stream->status();
  if (!status) co_return lost();
  if (*status == kNoSuchLog) co_return Error{ErrorCode::kNotFound, "there is no such log", ""};
  if (*status != kOk) co_return Error{ErrorCode::kFailure, "the sandbox refused the request", ""};
  guest::FrameReader frames(stream);
  for (;;) {
    const auto frame = co_await frames.next();
    if (!frame && frames.at_end()) co_return Result<void>();
    if (!frame) co_return lost();
    if (frame->kind != guest::FrameKind::kLogPiece) {
      co_return Error{ErrorCode::kFailure, "the sandbox's agent sent a frame that makes no sense", ""};
    }
    const auto piece = guest::decode<guest::LogPiece>(frame->payload);
    if (!piece) co_return piece.error().within("read the log");
    if (!(*take)(*piece)) co_return Result<void>();
  }
}

asio::awaitable<void> receive_into(StreamPtr stream, const Take* take, std::optional<Result<void>>* outcome) {
  auto received = co_await receive(std::move(stream), take);
  if (!*outcome) *outcome = std::move(received);
}

asio::awaitable<void> end_at_signal(std::shared_ptr<Readiness> readiness,
                                    std::optional<Result<void>>* outcome) {
  co_await readiness->wait();
  if (!*outcome) *outcome = Result<void>();
}

asio::awaitable<void> run_session(std::shared_ptr<http2::Session> session) {
  [[maybe_unused]] const auto ended = co_await session->run();
}

}  // namespace

Result<void> read_log(UniqueFd control, const guest::LogsRequest& request, const Take& take, int signals) {
  asio::io_context context(1);
  const auto executor = context.get_executor();
  const auto session = http2::Session::create(executor, std::move(control), http2::Session::Role::kClient);
  auto stream = session->request("POST", guest::kLogsPath);
  if (!stream) return stream.error();
  (*stream)->write_now(guest::encode(request));
  (*stream)->finish();
  std::optional<Result<void>> outcome;
  if (signals >= 0) {
    auto readiness = Readiness::create(executor, signals, Readiness::For::kReading);
    if (!readiness) return readiness.error();
    asio::co_spawn(executor, end_at_signal(std::make_shared<Readiness>(*std::move(readiness)), &outcome),
                   asio::detached);
  }
  asio::co_spawn(executor, receive_into(*stream, &take, &outcome), asio::detached);
  asio::co_spawn(executor, run_session(session), asio::detached);
  while (!outcome && context.run_one() > 0) {
  }
  session->close();
  context.poll();
  return outcome ? *std::move(outcome) : Result<void>(lost());
}

}  // namespace tl
