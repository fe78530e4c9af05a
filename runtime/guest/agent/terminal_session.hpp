// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>

#include <asio/awaitable.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>

#include "common/async_event.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/agent/alarm.hpp"
#include "runtime/guest/agent/exec_context.hpp"
#include "runtime/guest/agent/output_ring.hpp"

namespace tl::guest {

// What is kept of a session's output, and shown again to a client that comes.
inline constexpr std::size_t kTerminalMemory = 256 * 1024;
// How far the command may write ahead of the slowest client: little, so that Ctrl-C is soon seen to work.
inline constexpr std::size_t kTerminalAhead = 16 * 1024;

// A command on a terminal, from its start to the end of its output. It does not need anybody to look at it:
// what it writes goes into a ring, which clients (terminal_client.hpp) read at their own pace. A client that
// does not read holds up the command; without clients nothing does. When the last one has left for longer
// than the lease, the session is hung up. One io_context thread.
class TerminalSession : public std::enable_shared_from_this<TerminalSession> {
 public:
  // The context outlives it. `over` is called once, when a session that was started has ended.
  TerminalSession(ExecContext& context, std::chrono::milliseconds lease, std::function<void()> over);

  // Starts the command, or says why not. Once.
  std::optional<ExecFailure> start(const ExecRequest& request);

  // A client's place is the position of the first byte of output that it has not taken, which it moves on by
  // itself, and says so by moved(). A new one is at the oldest byte there is.
  using Place = std::list<std::uint64_t>::iterator;
  Place enter();
  void moved() { changed_.notify_all(); }
  void leave(Place place);
  [[nodiscard]] const OutputRing& output() const { return output_; }

  // Until there is more output, or the end.
  asio::awaitable<void> wait_changed();
  // Set when the command has ended and all its output is in the ring.
  [[nodiscard]] const std::optional<ExecExit>& exit() const { return exit_; }

  // Another descriptor of the keyboard's side.
  [[nodiscard]] Result<UniqueFd> keyboard();
  // The keyboard has no more to say.
  void type_end();
  void resize(TerminalSize size);
  // Has full-screen programs draw again, for a client that has come.
  void redraw();
  void signal(int number);
  // SIGHUP to the command and what is in the foreground, SIGKILL after kKillGrace. Its output no longer waits
  // for clients.
  void hang_up();

  [[nodiscard]] pid_t number() const { return pid_; }
  [[nodiscard]] TerminalInfo info() const;

 private:
  using Self = std::shared_ptr<TerminalSession>;
  static asio::awaitable<void> move_output(Self self);
  static asio::awaitable<void> watch_time(Self self, std::chrono::milliseconds limit);
  static asio::awaitable<void> end_by(Self self, int number);

  void run_beside(asio::awaitable<void> coroutine);
  void on_exit(int status);
  void end();
  // How many bytes may be read from the terminal now.
  [[nodiscard]] std::size_t room() const;
  asio::awaitable<void> wait_readable();
  [[nodiscard]] bool drained() const;

  ExecContext& context_;
  std::chrono::milliseconds lease_time_;
  std::function<void()> over_;
  asio::posix::stream_descriptor master_;
  UniqueFd slave_;  // keeps the terminal whole while the command lives, even when that has closed it
  OutputRing output_{kTerminalMemory};
  std::list<std::uint64_t> places_;
  AsyncEvent changed_;
  TimerAlarm lease_;
  asio::steady_timer time_limit_;
  TerminalInfo info_;
  ProcessTable::Id row_ = 0;

  pid_t pid_ = -1;                                    // and process group, and session
  std::optional<int> status_;                         // the wait status, once the command has ended
  std::chrono::steady_clock::time_point deadline_{};  // for what others still write, after that
  std::size_t owed_ = 0;                              // of output, after that
  TimeLimit time_ = TimeLimit::kKept;
  bool hung_up_ = false;
  std::optional<ExecExit> exit_;
};

}  // namespace tl::guest
