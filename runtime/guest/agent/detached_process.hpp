// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>

#include "common/async_event.hpp"
#include "runtime/guest/agent/exec_context.hpp"
#include "runtime/guest/agent/process_log.hpp"
#include "runtime/guest/agent/restart_plan.hpp"

namespace tl::guest {

// A command that goes on without its caller, over all its runs: it is started again as its restart plan says,
// and as somebody asks for. stdin is /dev/null; stdout and stderr go into a log. What others of its group
// still write is taken for kDrainGrace after a run's end, and then the pipes are closed, as for every
// execution. One io_context thread.
class DetachedProcess : public std::enable_shared_from_this<DetachedProcess> {
 public:
  // The context outlives it. `request` has a detachment.
  DetachedProcess(ExecContext& context, ExecRequest request);

  // The first run, with the gate open; or why there is none. Once.
  std::optional<ExecFailure> start();

  // Ends it for good: SIGTERM to its group, SIGKILL after kKillGrace. Returns when it has ended.
  asio::awaitable<void> stop();
  // The same, and a new run at once. Its number, or why there is none (empty: somebody stopped it meanwhile).
  asio::awaitable<std::variant<pid_t, std::string>> restart();
  // It is not started again when it ends, whatever its plan says.
  void give_up();
  // To its group, if it runs.
  void signal(int number) const;

  [[nodiscard]] ProcessLog& log() { return log_; }
  [[nodiscard]] ProcessTable::Id row() const { return row_; }
  [[nodiscard]] const std::string& name() const { return request_.detach->name; }

 private:
  using Self = std::shared_ptr<DetachedProcess>;
  enum class State { kRunning, kPausing, kEnded };
  enum class Wanted { kNothing, kEnd, kNewRun };

  std::optional<ExecFailure> start_run();
  void on_exit(int status);
  static asio::awaitable<void> move_output(Self self, LogPiece::Stream stream);
  // From the first run, or a restart of what had ended, to the end of the last.
  static asio::awaitable<void> supervise(Self self);
  // Until the run and its output have ended.
  asio::awaitable<void> finish_run();
  // What the plan and the people want after a run that ended so. False: nothing more.
  asio::awaitable<bool> pause_before_next();
  // Ends what runs or waits, and returns when it is about to end.
  asio::awaitable<void> end_run();
  void note_run();
  void note_failure(const ExecFailure& failure);
  void run_beside(asio::awaitable<void> coroutine);
  [[nodiscard]] bool drained() const;

  ExecContext& context_;
  ExecRequest request_;
  RestartPlan plan_;
  ProcessLog log_;
  AsyncEvent changed_;  // state_, status_, open_outputs_ or runs_
  asio::steady_timer pause_;
  std::array<asio::posix::stream_descriptor, 2> pipes_;  // our ends, by LogPiece::Stream
  ProcessTable::Id row_ = 0;

  State state_ = State::kEnded;
  Wanted wanted_ = Wanted::kNothing;
  // Of the last run:
  pid_t pid_ = -1;             // and process group
  std::uint64_t runs_ = 0;     // its number
  std::optional<int> status_;  // its wait status, once it has ended
  std::string failure_;        // why it did not start
  std::chrono::steady_clock::time_point began_{}, ended_{};
  int open_outputs_ = 0;
};

}  // namespace tl::guest
