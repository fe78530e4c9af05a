// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/service.hpp"

#include <exception>
#include <vector>

#include <asio/co_spawn.hpp>

#include "runtime/guest/agent/connect.hpp"
#include "runtime/guest/agent/files.hpp"
#include "runtime/guest/agent/replies.hpp"

namespace tl::guest {
namespace {

asio::awaitable<void> answer_outcome(std::shared_ptr<http2::Stream> stream, Result<void> outcome) {
  if (outcome) {
    co_await answer(stream, 200, {});
    co_return;
  }
  const int status = outcome.error().code == ErrorCode::kConflict ? 409 : 500;
  co_await answer(stream, status, text(outcome.error().message));
}

}  // namespace

Service::Service(ExecContext& exec, Commands commands, Pauses pauses, Guest guest, Log log)
    : exec_(exec),
      terminals_(commands.terminals),
      processes_(commands.processes),
      pauses_(pauses),
      guest_(std::move(guest)),
      log_(log),
      reached_(exec.executor) {}

Service::Handler Service::handler_of(std::string_view path) {
  if (path == kExecPath) return &Service::execute;
  if (path == kFilesPath) return &Service::move_files;
  if (path.starts_with(kConnectPath)) return &Service::connect;
  if (path == kAttachPath) return &Service::attach_terminal;
  if (path == kTerminalsPath) return &Service::list_terminals;
  if (path == kRemoveTerminalPath) return &Service::remove_terminal;
  if (path == kProcessesPath) return &Service::list_processes;
  if (path == kSignalProcessPath) return &Service::signal_process;
  if (path == kRestartProcessPath) return &Service::restart_process;
  if (path == kLogsPath) return &Service::show_log;
  if (path == kMetricsPath) return &Service::measure;
  if (path == kConfigurePath) return &Service::configure;
  if (path == kFreezePath) return &Service::freeze;
  if (path == kThawPath) return &Service::thaw;
  if (path == kWriteBackPath) return &Service::write_back;
  if (path == kQuiescePath) return &Service::quiesce;
  if (path == kReleasePath) return &Service::release;
  return nullptr;
}

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
  const Handler handler = handler_of(path);
  if (handler == nullptr) {
    co_await answer(stream, 404, text("no such request"));
  } else if (stream->method() != "POST") {
    co_await answer(stream, 405, text("POST is expected"));
  } else {
    co_await (this->*handler)(std::move(stream));
  }
}

asio::awaitable<std::optional<std::vector<std::byte>>> Service::begin(std::shared_ptr<http2::Stream> stream,
                                                                      FrameReader* frames) {
  auto first = co_await frames->next();
  if (!first) co_return std::nullopt;  // the stream is reset when the last of us lets it go
  if (first->kind != FrameKind::kStart) co_return std::nullopt;
  co_await exec_.gate.pass();
  if (stream->broken()) co_return std::nullopt;
  stream->respond(200);
  co_return std::move(first->payload);
}

asio::awaitable<void> Service::execute(std::shared_ptr<http2::Stream> stream) {
  FrameReader frames(stream);
  const auto payload = co_await begin(stream, &frames);
  if (!payload) co_return;
  auto request = decode<ExecRequest>(*payload);
  if (!request) {
    ExecFailure failed{ExecFailure::Kind::kOther, request.error().message};
    co_await send_failure(std::move(stream), std::move(failed));
  } else if (request->detach) {
    co_await processes_.start(std::move(stream), *std::move(request));
  } else if (request->terminal) {
    co_await terminals_.execute(std::move(stream), std::move(frames), *std::move(request));
  } else {
    auto exec = std::make_shared<Exec>(exec_, std::move(stream), std::move(frames), Exec::Program::kCommand);
    co_await exec->run(*std::move(request));
  }
}

asio::awaitable<void> Service::move_files(std::shared_ptr<http2::Stream> stream) {
  FrameReader frames(stream);
  const auto payload = co_await begin(stream, &frames);
  if (!payload) co_return;
  const auto request = decode<FilesRequest>(*payload);
  if (!request) {
    ExecFailure failed{ExecFailure::Kind::kOther, request.error().message};
    co_await send_failure(std::move(stream), std::move(failed));
  } else {
    auto exec = std::make_shared<Exec>(exec_, std::move(stream), std::move(frames), Exec::Program::kFiles);
    co_await exec->run(files_command(*request));
  }
}

asio::awaitable<void> Service::connect(std::shared_ptr<http2::Stream> stream) {
  constexpr int kNobodyThere = 502;
  const auto port = port_of(stream->path());
  if (!port) {
    co_await answer(stream, 400, text("a port is expected, 1 to 65535"));
    co_return;
  }
  auto socket = co_await connect_loopback(exec_.executor, *port);
  if (!socket) {
    co_await answer(stream, kNobodyThere, text(socket.error().message));
    co_return;
  }
  stream->respond(200);
  co_await http2::bridge(*std::move(socket), stream);
}

asio::awaitable<void> Service::attach_terminal(std::shared_ptr<http2::Stream> stream) {
  FrameReader frames(stream);
  const auto first = co_await frames.next();
  if (!first) co_return;
  if (first->kind != FrameKind::kAttach) co_return;
  const auto request = decode<AttachRequest>(first->payload);
  if (!request) {
    co_await answer(stream, 400, text(request.error().message));
  } else if (!terminals_.has(request->session)) {
    co_await answer(stream, 404, text("no such session"));
  } else {
    stream->respond(200);
    co_await terminals_.attach(std::move(stream), std::move(frames), *request);
  }
}

asio::awaitable<void> Service::list_terminals(std::shared_ptr<http2::Stream> stream) {
  co_await answer(stream, 200, encode(terminals_.list()));
}

asio::awaitable<void> Service::remove_terminal(std::shared_ptr<http2::Stream> stream) {
  const auto body = co_await read_body(stream);
  if (!body) {
    stream->reset(http2::Reset::kCancel);
    co_return;
  }
  const auto id = decode<TerminalId>(*body);
  if (!id) {
    co_await answer(stream, 400, text(id.error().message));
  } else if (!terminals_.has(id->session)) {
    co_await answer(stream, 404, text("no such session"));
  } else {
    terminals_.remove(id->session);
    co_await answer(stream, 200, {});
  }
}

asio::awaitable<void> Service::measure(std::shared_ptr<http2::Stream> stream) {
  co_await answer(stream, 200, encode(guest_.metrics()));
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
  // It writes to the root file system, and whoever was quiesced must find it done.
  co_await pauses_.freeze.settle();
  if (pauses_.freeze.frozen()) {
    co_await answer(stream, 409, text("the root file system is frozen"));
    co_return;
  }
  ConfigureReport report = co_await guest_.configure(*configuration);
  if (report.error.empty()) {
    const auto released = pauses_.quiescence.release();
    if (!released) report.error = released.error().message;
  }
  if (!report.error.empty()) log_.info("configure: {}", report.error);
  const bool fresh = configuration->restored == Restored::kFresh;
  StartGate::Hold nobody_starts;
  if (fresh) nobody_starts = exec_.gate.close();
  co_await answer(stream, 200, encode(report));
  if (!fresh) co_return;
  // Until the first command comes there is time for what only matters to commands.
  co_await stream->wait_ended();
  report = guest_.take_identity(*configuration);
  if (!report.error.empty()) log_.info("identity: {}", report.error);
}

asio::awaitable<void> Service::freeze(std::shared_ptr<http2::Stream> stream) {
  const auto body = co_await read_body(stream);
  if (!body) {
    stream->reset(http2::Reset::kCancel);
    co_return;
  }
  const auto request = decode<FreezeRequest>(*body);
  if (!request) {
    co_await answer(stream, 400, text(request.error().message));
    co_return;
  }
  if (stream->broken()) co_return;
  const auto frozen = co_await pauses_.freeze.freeze(request->lease);
  // Who has gone meanwhile does not know that it is frozen.
  if (frozen && stream->broken()) {
    const auto thawed = co_await pauses_.freeze.thaw();
    if (!thawed) log_.info("freeze: {}", thawed.error().message);
    co_return;
  }
  co_await answer_outcome(stream, frozen);
}

asio::awaitable<void> Service::thaw(std::shared_ptr<http2::Stream> stream) {
  const auto thawed = co_await pauses_.freeze.thaw();
  co_await answer_outcome(stream, thawed);
}

asio::awaitable<void> Service::write_back(std::shared_ptr<http2::Stream> stream) {
  const auto written = co_await pauses_.freeze.write_back();
  co_await answer_outcome(stream, written);
}

asio::awaitable<void> Service::quiesce(std::shared_ptr<http2::Stream> stream) {
  // Those who wait for the file system could not stop.
  co_await pauses_.freeze.settle();
  if (pauses_.freeze.frozen()) {
    co_await answer(stream, 409, text("the root file system is frozen"));
    co_return;
  }
  if (stream->broken()) co_return;
  const auto quiesced = co_await pauses_.quiescence.quiesce();
  co_await answer_outcome(stream, quiesced);
}

asio::awaitable<void> Service::release(std::shared_ptr<http2::Stream> stream) {
  co_await answer_outcome(stream, pauses_.quiescence.release());
}

}  // namespace tl::guest
