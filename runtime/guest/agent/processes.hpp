// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include <asio/awaitable.hpp>

#include "common/http2/stream.hpp"
#include "runtime/guest/agent/detached_process.hpp"
#include "runtime/guest/agent/exec_context.hpp"
#include "runtime/guest/protocol/process_messages.hpp"

namespace tl::guest {

// So many detached processes may be running or waiting for their next run at a time.
inline constexpr std::size_t kMaxDetached = 128;
// What the logs of those that have ended may take together; the oldest ones' are forgotten first.
inline constexpr std::size_t kEndedLogMemory = 32 * 1024 * 1024;

// What clients do with processes that were started before (PROTOCOL.md, Processes), and all the detached
// ones. One io_context thread.
class Processes {
 public:
  // The context outlives it.
  explicit Processes(ExecContext& context);

  // Serves a stream whose response has begun: starts a command that goes on without it. With the gate open.
  asio::awaitable<void> start(std::shared_ptr<http2::Stream> stream, ExecRequest request);

  [[nodiscard]] ProcessList list() const { return context_.table.list(); }
  asio::awaitable<ProcessAnswer> signal(ProcessRequest request);
  asio::awaitable<ProcessAnswer> restart(ProcessRequest request);

  // Null for a process that has no log, and for none.
  [[nodiscard]] std::shared_ptr<DetachedProcess> find_detached(const std::string& process);
  // Writes the log to the stream, whose response has begun, and finishes it.
  asio::awaitable<void> show_log(std::shared_ptr<http2::Stream> stream,
                                 std::shared_ptr<DetachedProcess> process, LogsRequest request);

 private:
  [[nodiscard]] std::size_t running() const;
  asio::awaitable<void> end_attached(ProcessTable::Id id, pid_t group);
  void bound_memory();
  ExecContext& context_;
  std::map<ProcessTable::Id, std::shared_ptr<DetachedProcess>> detached_;
};

}  // namespace tl::guest
