// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/service.hpp"

#include <exception>
#include <vector>

#include <asio/co_spawn.hpp>

namespace tl::guest {
namespace {

constexpr std::size_t kMaxBody = 64 * 1024;

// A whole request body; an error when it is too long or breaks off.
asio::awaitable<Result<std::vector<std::byte>>> read_body(std::shared_ptr<http2::Stream> stream) {
  constexpr std::size_t kStep = 4096;
  std::vector<std::byte> body;
  for (;;) {
    const std::size_t have = body.size();
    body.resize(have + kStep);
    const auto got = co_await stream->read_some(std::span(body).subspan(have));
    body.resize(have + (got ? *got : 0));
    if (!got) co_return got.error();
    if (*got == 0) co_return body;
    if (body.size() > kMaxBody) co_return Error{ErrorCode::kOutOfRange, "the request is too long", ""};
  }
}

asio::awaitable<void> answer(std::shared_ptr<http2::Stream> stream, int status, std::vector<std::byte> body) {
  stream->respond(status);
  if (!body.empty()) co_await stream->write(body);
  stream->finish();
}

std::vector<std::byte> text(std::string_view words) {
  const auto bytes = std::as_bytes(std::span(words.data(), words.size()));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

Service::Service(ExecContext& exec, Guest guest, Log log)
    : exec_(exec), guest_(std::move(guest)), log_(log), reached_(exec.executor) {}

void Service::reach(Stage stage) {
  stage_ = stage;
  reached_.notify_all();
}

void Service::accept(std::shared_ptr<http2::Stream> stream) noexcept {
  try {
    asio::co_spawn(exec_.executor, serve(stream), [this, stream](const std::exception_ptr& thrown) {
      if (!thrown) return;
      log_.info("{} {}: out of memory", stream->method(), stream->path());
      stream->reset(http2::Reset::kInternal);
    });
  } catch (const std::exception& failed) {
    stream->reset(http2::Reset::kRefused);
  }
}

asio::awaitable<void> Service::serve(std::shared_ptr<http2::Stream> stream) {
  const std::string& path = stream->path();
  const Stage needed = path == kConfigurePath ? Stage::kRootDisk : Stage::kWhole;
  while (stage_ < needed) co_await reached_.wait();
  const bool known = path == kExecPath || path == kConfigurePath || path == kMetricsPath;
  if (!known) {
    co_await answer(stream, 404, text("no such request"));
  } else if (stream->method() != "POST") {
    co_await answer(stream, 405, text("POST is expected"));
  } else if (path == kExecPath) {
    auto exec = std::make_shared<Exec>(exec_, std::move(stream));
    co_await exec->run();
  } else if (path == kMetricsPath) {
    co_await answer(stream, 200, encode(guest_.metrics()));
  } else {
    co_await configure(stream);
  }
}

asio::awaitable<void> Service::configure(std::shared_ptr<http2::Stream> stream) {
  const auto body = co_await read_body(stream);
  if (!body) {
    stream->reset(http2::Reset::kCancel);
    co_return;
  }
  const auto configuration = decode<Configuration>(*body);
  if (!configuration) {
    co_await answer(stream, 400, text(configuration.error().message));
    co_return;
  }
  const ConfigureReport report = guest_.configure(*configuration);
  if (!report.error.empty()) log_.info("configure: {}", report.error);
  co_await answer(stream, 200, encode(report));
}

}  // namespace tl::guest
