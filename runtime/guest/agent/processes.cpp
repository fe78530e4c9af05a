// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/processes.hpp"

#include <signal.h>

#include <chrono>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "runtime/guest/protocol/frame.hpp"

namespace tl::guest {
namespace {

using Outcome = ProcessAnswer::Outcome;

// Signals by which somebody means to end a process, and not to have it started again.
bool ends(int signal) {
  return signal == SIGTERM || signal == SIGKILL || signal == SIGINT || signal == SIGQUIT;
}

asio::awaitable<void> wake_at_end(std::shared_ptr<http2::Stream> stream,
                                  std::shared_ptr<DetachedProcess> process) {
  co_await stream->wait_ended();
  process->log().wake();
}

}  // namespace

Processes::Processes(ExecContext& context) : context_(context) {
  context.process_ended = [this] { bound_memory(); };
}

std::size_t Processes::running() const {
  std::size_t count = 0;
  for (const auto& [id, process] : detached_) count += context_.table.at(id).ended() ? 0 : 1;
  return count;
}

asio::awaitable<void> Processes::start(std::shared_ptr<http2::Stream> stream, ExecRequest request) {
  const std::string& name = request.detach->name;
  std::optional<ExecFailure> failed;
  std::shared_ptr<DetachedProcess> process;
  if (!name.empty() && context_.table.name_taken(name)) {
    failed = ExecFailure{ExecFailure::Kind::kNameTaken, "a process called " + name + " is running"};
  } else if (running() >= kMaxDetached) {
    failed = ExecFailure{ExecFailure::Kind::kOther, "too many detached processes are running in the sandbox"};
  } else {
    process = std::make_shared<DetachedProcess>(context_, std::move(request));
    failed = process->start();
  }
  if (failed) {
    co_await send_failure(std::move(stream), *std::move(failed));
    co_return;
  }
  detached_[process->row()] = process;
  const ExecStarted started{context_.table.at(process->row()).pid};
  stream->write_now(encode_frame(FrameKind::kStarted, encode(started)));
  stream->finish();
}

void Processes::bound_memory() {
  for (const ProcessTable::Id id : context_.table.trim()) detached_.erase(id);
  std::size_t held = 0;
  for (const ProcessTable::Id id : context_.table.ended()) {
    const auto found = detached_.find(id);
    if (found == detached_.end()) continue;
    held += found->second->log().cost();
    if (held > kEndedLogMemory) found->second->log().forget();
  }
}

asio::awaitable<ProcessAnswer> Processes::signal(ProcessRequest request) {
  const auto id = context_.table.find(request.process);
  if (!id) co_return ProcessAnswer{Outcome::kNoSuchProcess};
  const ProcessInfo info = context_.table.at(*id);
  if (info.ended()) co_return ProcessAnswer{Outcome::kEndedBefore, info.pid};
  const auto found = detached_.find(*id);
  const auto process = found == detached_.end() ? nullptr : found->second;
  const auto group = static_cast<pid_t>(info.pid);
  if (process && !request.signal) {
    co_await process->stop();
  } else if (process) {
    if (ends(*request.signal)) process->give_up();
    process->signal(*request.signal);
  } else if (request.signal) {
    ::kill(-group, *request.signal);
  } else {
    co_await end_attached(*id, group);
  }
  co_return ProcessAnswer{Outcome::kDone, info.pid};
}

// As Exec::watch_time does it.
asio::awaitable<void> Processes::end_attached(ProcessTable::Id id, pid_t group) {
  ::kill(-group, SIGTERM);
  ::kill(-group, SIGCONT);
  asio::steady_timer look(context_.executor);
  const auto deadline = std::chrono::steady_clock::now() + kKillGrace;
  const auto runs = [&] { return context_.table.has(id) && !context_.table.at(id).ended(); };
  bool killed = false;
  while (runs()) {
    if (!killed && std::chrono::steady_clock::now() >= deadline) {
      ::kill(-group, SIGKILL);
      killed = true;
    }
    look.expires_after(std::chrono::milliseconds(5));
    asio::error_code ignored;
    co_await look.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<ProcessAnswer> Processes::restart(ProcessRequest request) {
  const auto id = context_.table.find(request.process);
  if (!id) co_return ProcessAnswer{Outcome::kNoSuchProcess};
  const auto found = detached_.find(*id);
  if (found == detached_.end()) co_return ProcessAnswer{Outcome::kNotManaged};
  const auto process = found->second;
  if (context_.table.at(*id).ended()) {
    const std::string& name = process->name();
    if (!name.empty() && context_.table.name_taken(name)) co_return ProcessAnswer{Outcome::kNameTaken};
    if (running() >= kMaxDetached) {
      co_return ProcessAnswer{Outcome::kNotStarted, 0, "too many detached processes are running"};
    }
  }
  auto restarted = co_await process->restart();
  if (const pid_t* pid = std::get_if<pid_t>(&restarted)) co_return ProcessAnswer{Outcome::kDone, *pid};
  std::string why = std::get<std::string>(std::move(restarted));
  if (why.empty()) co_return ProcessAnswer{Outcome::kEndedBefore};
  co_return ProcessAnswer{Outcome::kNotStarted, 0, std::move(why)};
}

std::shared_ptr<DetachedProcess> Processes::find_detached(const std::string& process) {
  const auto id = context_.table.find(process);
  const auto found = id ? detached_.find(*id) : detached_.end();
  return found == detached_.end() ? nullptr : found->second;
}

asio::awaitable<void> Processes::show_log(std::shared_ptr<http2::Stream> stream,
                                          std::shared_ptr<DetachedProcess> process, LogsRequest request) {
  ProcessLog& log = process->log();
  ProcessLog::Place place = request.tail ? log.last_lines(*request.tail) : log.begin();
  // What is there now is shown whole, however fast the process writes meanwhile.
  std::vector<LogPiece> backlog;
  while (auto piece = log.next(place)) backlog.push_back(*std::move(piece));
  for (const LogPiece& piece : backlog) {
    const auto sent = co_await stream->write(encode_frame(FrameKind::kLogPiece, encode(piece)));
    if (!sent) co_return;
  }
  backlog = {};
  if (request.follow) asio::co_spawn(context_.executor, wake_at_end(stream, process), asio::detached);
  while (request.follow && !stream->broken()) {
    if (const auto piece = log.next(place)) {
      const auto sent = co_await stream->write(encode_frame(FrameKind::kLogPiece, encode(*piece)));
      if (!sent) co_return;
    } else if (log.closed()) {
      break;
    } else {
      co_await log.wait_changed();
    }
  }
  stream->finish();
}

}  // namespace tl::guest
