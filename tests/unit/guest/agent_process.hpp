// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "common/unique_fd.hpp"
#include "runtime/guest/agent_client.hpp"
#include "runtime/guest/protocol/frame.hpp"
#include "runtime/guest/protocol/messages.hpp"
#include "tests/unit/guest/group_folder.hpp"

namespace tl::guest::test {

// The agent's link and exec service in a process of its own, as PID 1 has them, without the rest of a guest.
class AgentProcess {
 public:
  // `terminal_lease`: how long its sessions go on without a client.
  explicit AgentProcess(std::chrono::milliseconds terminal_lease = kTerminalLease);
  ~AgentProcess();  // kills it
  AgentProcess(const AgentProcess&) = delete;
  AgentProcess& operator=(const AgentProcess&) = delete;

  // Another descriptor of the host's end, which stays open here.
  [[nodiscard]] UniqueFd link() const;
  // Connects a client; a failure fails the test.
  std::unique_ptr<AgentClient> connect(asio::io_context& io);
  [[nodiscard]] bool alive() const;
  // Its control groups; there is one, `tl`, that stands still whenever it is told to.
  [[nodiscard]] const GroupFolder& groups() const { return groups_; }

 private:
  GroupFolder groups_;
  UniqueFd host_end_;
  pid_t pid_ = -1;
};

template <typename T>
asio::awaitable<void> keep_result(asio::awaitable<T> work, std::optional<T>* into) {
  auto value = co_await std::move(work);
  into->emplace(std::move(value));
}

// Runs the loop until the coroutine has ended.
template <typename T>
T run(asio::io_context& io, asio::awaitable<T> work) {
  std::optional<T> result;
  asio::co_spawn(io, keep_result(std::move(work), &result), [](const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  io.restart();
  while (!result) io.run_one();
  return std::move(*result);
}

// For run(), which wants a result.
inline asio::awaitable<bool> keep_going(asio::awaitable<void> work) {
  co_await std::move(work);
  co_return true;
}

// Everything that came back from an execution.
struct Outcome {
  std::string out, err;
  std::optional<ExecStarted> started;
  std::optional<ExecExit> exit;
  std::optional<ExecFailure> failure;
  std::size_t stdin_taken = 0;
  std::string trouble;  // why the stream broke off
};

// A request to run these words as the user who runs the tests.
ExecRequest command(std::vector<std::string> argv);
// The same for a script of the shell.
ExecRequest shell(std::string script);

asio::awaitable<void> send(std::shared_ptr<http2::Stream> stream, FrameKind kind, std::string payload);
asio::awaitable<void> start(std::shared_ptr<http2::Stream> stream, ExecRequest request);
// Reads to the end.
asio::awaitable<Outcome> collect(std::shared_ptr<http2::Stream> stream);
// start, send the input in pieces (when the request has a stdin stream), collect.
asio::awaitable<Outcome> execute(AgentClient* client, ExecRequest request, std::string input = "");
// The same for one end of a copy.
asio::awaitable<Outcome> move_files(AgentClient* client, FilesRequest request, std::string input = "");

}  // namespace tl::guest::test
