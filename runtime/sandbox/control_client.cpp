// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/control_client.hpp"

#include <memory>
#include <optional>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include "common/http2/session.hpp"
#include "runtime/monitor/control.hpp"

namespace tl {
namespace {

constexpr std::size_t kMaxAnswer = 256 * 1024;
constexpr int kOk = 200;
constexpr int kNothingThere = 404;

using SessionPtr = std::shared_ptr<http2::Session>;
using StreamPtr = std::shared_ptr<http2::Stream>;

asio::awaitable<void> run_session(SessionPtr session, bool* ended) {
  [[maybe_unused]] const auto outcome = co_await session->run();
  *ended = true;
}

struct Answer {
  std::string text;
  bool refuses = false;
};

asio::awaitable<Result<Answer>> receive(StreamPtr stream) {
  const auto status = co_await stream->status();
  if (!status) co_return status.error();
  std::string answer;
  std::vector<std::byte> piece(4096);
  for (;;) {
    const auto n = co_await stream->read_some(piece);
    if (!n) co_return n.error();
    if (*n == 0) break;
    answer.append(reinterpret_cast<const char*>(piece.data()), *n);
    if (answer.size() > kMaxAnswer)
      co_return Error{ErrorCode::kFailure, "the monitor's answer is too long", ""};
  }
  const bool refuses = *status == monitor::kRefusedStatus;
  if (*status == kNothingThere) co_return Error{ErrorCode::kNotFound, "there is no such thing", ""};
  if (*status != kOk && !refuses) co_return Error{ErrorCode::kFailure, "the monitor refused the request", ""};
  co_return Answer{std::move(answer), refuses};
}

asio::awaitable<void> receive_into(StreamPtr stream, std::optional<Result<Answer>>* answer) {
  *answer = co_await receive(std::move(stream));
}

}  // namespace

Result<std::string> ask_monitor(UniqueFd control, const MonitorRequest& request, AfterAnswer after,
                                std::chrono::milliseconds limit) {
  asio::io_context context(1);
  const auto session =
      http2::Session::create(context.get_executor(), std::move(control), http2::Session::Role::kClient);
  auto stream = session->request(request.method, request.path);
  if (!stream) return stream.error();
  if (!request.body.empty()) (*stream)->write_now(request.body);
  (*stream)->finish();
  std::optional<Result<Answer>> answer;
  bool ended = false;
  asio::co_spawn(context, receive_into(*stream, &answer), asio::detached);
  asio::co_spawn(context, run_session(session, &ended), asio::detached);
  const auto deadline = std::chrono::steady_clock::now() + limit;
  // One that refuses has no reason to end.
  const auto complete = [&] {
    return answer && (ended || after == AfterAnswer::kReturn || (*answer && (*answer)->refuses));
  };
  while (!complete() && context.run_one_until(deadline) > 0) {
  }
  const bool in_time = complete();
  session->close();
  context.poll();
  if (!in_time) return Error{ErrorCode::kFailure, "the sandbox's monitor does not answer", ""};
  if (!*answer) return answer->error();
  return std::move((*answer)->text);
}

}  // namespace tl
