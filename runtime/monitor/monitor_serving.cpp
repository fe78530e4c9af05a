// SPDX-License-Identifier: Apache-2.0
// How a monitor answers: its own requests (control.hpp), and those of the agent, which are passed on.
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "runtime/monitor/control.hpp"
#include "runtime/monitor/monitor.hpp"
#include "runtime/monitor/relay.hpp"

namespace tl::monitor {
namespace {

constexpr int kOk = 200;
constexpr int kUnavailable = 503;

void refuse(http2::Stream& stream) {
  stream.respond(kUnavailable);
  stream.finish();
}

}  // namespace

void Monitor::serve(StreamPtr stream) {
  const std::string& path = stream->path();
  if (path == kStatusPath) {
    asio::co_spawn(context_, report_status(std::move(stream)), asio::detached);
  } else if (path == kTerminatePath) {
    stream->respond(kOk);
    stream->finish();
    end("terminated");
  } else if (path == kSuspendPath || path == kSuspendSoonPath) {
    const bool soon = path == kSuspendSoonPath;
    asio::co_spawn(context_, answer_suspend(std::move(stream), soon), asio::detached);
  } else if (path.starts_with(kCheckpointDiskPath)) {
    std::string key = path.substr(kCheckpointDiskPath.size());
    asio::co_spawn(context_, answer_checkpoint(std::move(stream), Kind::kDisk, std::move(key)),
                   asio::detached);
  } else if (path.starts_with(kCheckpointMachinePath)) {
    std::string key = path.substr(kCheckpointMachinePath.size());
    asio::co_spawn(context_, answer_checkpoint(std::move(stream), Kind::kMachine, std::move(key)),
                   asio::detached);
  } else if (path == kNetworkPath) {
    asio::co_spawn(context_, apply_network_policy(std::move(stream)), asio::detached);
  } else if (path == kPortsPath) {
    asio::co_spawn(context_, apply_ports(std::move(stream)), asio::detached);
  } else if (path == kStartSyncingPath) {
    asio::co_spawn(context_, start_syncing(std::move(stream)), asio::detached);
  } else {
    asio::co_spawn(context_, pass_to_agent(std::move(stream)), asio::detached);
  }
}

asio::awaitable<void> Monitor::report_status(StreamPtr stream) {
  while (keeping_) co_await changed_.wait();
  if (suspended_ || !assembly_) co_return refuse(*stream);
  LiveStatus status;
  status.memory_used_bytes = assembly_->machine().memory_used_bytes();
  status.disk_used_bytes = assembly_->disk_used_bytes();
  status.layers = assembly_->disk_layers();
  if (const auto left = until_timeout()) status.timeout_left_secs = static_cast<std::uint64_t>(left->count());
  if (const auto left = until_idle_timeout())
    status.idle_timeout_left_secs = static_cast<std::uint64_t>(left->count());
  for (const auto& port : ports_.list()) status.ports.emplace_back(port.remote, port.local);
  const std::string text = to_json(status);
  stream->respond(kOk);
  [[maybe_unused]] const auto sent =
      co_await stream->write(std::as_bytes(std::span(text.data(), text.size())));
  stream->finish();
}

asio::awaitable<void> Monitor::start_syncing(StreamPtr stream) {
  while (!ready_ && !end_) co_await changed_.wait();
  if (end_) co_return refuse(*stream);
  assembly_->start_syncing();
  stream->respond(kOk);
  stream->finish();
}

asio::awaitable<void> Monitor::apply_network_policy(StreamPtr stream) {
  while ((!ready_ || keeping_) && !end_) co_await changed_.wait();
  if (end_) co_return refuse(*stream);
  const auto record = registry_->read(record_.sandbox_id);
  if (!record) co_return answer(*stream, record.error());
  record_.network = record->network;
  const Result<void> applied = co_await assembly_->set_network_policy(record->network);
  answer(*stream, applied);
}

asio::awaitable<void> Monitor::apply_ports(StreamPtr stream) {
  while ((!ready_ || keeping_) && !end_) co_await changed_.wait();
  if (end_) co_return refuse(*stream);
  const auto record = registry_->read(record_.sandbox_id);
  if (!record) co_return answer(*stream, record.error());
  record_.exposed_ports = record->exposed_ports;
  answer(*stream, ports_.set(record_.exposed_ports));
}

Result<Monitor::StreamPtr> Monitor::open_connection(const std::string& path) {
  auto stream = agent_->open_stream(path);
  if (!stream) return stream;
  asio::co_spawn(context_, watch_connection(*stream), asio::detached);
  return stream;
}

asio::awaitable<void> Monitor::watch_connection(StreamPtr stream) {
  ++busy_streams_;
  co_await stream->wait_ended();
  --busy_streams_;
  idle_since_ = std::chrono::steady_clock::now();
}

asio::awaitable<void> Monitor::pass_to_agent(StreamPtr stream) {
  // Somebody who asks before the guest is ready waits with us.
  while (!ready_ && !end_) co_await changed_.wait();
  if (end_) co_return refuse(*stream);
  auto onward = agent_->open_stream(stream->path());
  if (!onward) co_return refuse(*stream);
  ++busy_streams_;
  bool whole = true;
  if (stream->path().starts_with(guest::kConnectPath)) {
    co_await relay_connection(stream, *std::move(onward));
  } else {
    whole = co_await relay(stream, *std::move(onward));
  }
  --busy_streams_;
  idle_since_ = std::chrono::steady_clock::now();
  if (whole && !end_ && stream->path() == guest::kExecPath) amend_template();
  if (whole) co_return;
  // Most likely the machine has ended. The client then learns of it by the end of this process, when the
  // record says why; resetting the stream now would make it look too early.
  asio::steady_timer grace(context_, kExitGrace);
  co_await grace.async_wait(asio::use_awaitable);
  stream->reset(http2::Reset::kInternal);
}

}  // namespace tl::monitor
