// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/exec_context.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

namespace tl::guest {

std::variant<pid_t, ExecFailure> start_command(ExecContext& context, const ExecRequest& request, User user,
                                               const CommandFiles& files) {
  SpawnSpec spec;
  spec.argv = request.argv;
  spec.program_fd = files.program;
  spec.environment = environment_of(request, user);
  spec.directory_may_lack = request.working_directory.empty();
  spec.working_directory = spec.directory_may_lack ? user.home : request.working_directory;
  spec.user = std::move(user);
  spec.stdin_fd = files.in;
  spec.stdout_fd = files.out;
  spec.stderr_fd = files.err;
  spec.terminal = files.terminal;
  spec.group_fd = context.groups.entrance();
  context.groups.keep_open();
  Spawned spawned = context.spawner.spawn(spec);
  if (!spawned.in_group) static_cast<void>(context.groups.make());  // for the next
  if (spawned.pid < 0) return std::move(spawned.failure);
  return spawned.pid;
}

ExecExit exit_of(int wait_status, TimeLimit limit) {
  const bool signaled = WIFSIGNALED(wait_status);
  const int value = signaled ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
  if (limit == TimeLimit::kExceeded) return {ExecExit::Kind::kTimedOut, value};
  return {signaled ? ExecExit::Kind::kSignaled : ExecExit::Kind::kExited, value};
}

Result<Pipe> make_pipe(Ours ours) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("make a pipe");
  Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  const int end = ours == Ours::kReadEnd ? ends[0] : ends[1];
  if (::fcntl(end, F_SETFL, O_NONBLOCK) != 0) return errno_error("make a pipe");
  return pipe;
}

std::chrono::nanoseconds wall_clock() {
  return std::chrono::system_clock::now().time_since_epoch();
}

ProcessTable::Id list_started(ExecContext& context, pid_t pid, const ExecRequest& request) {
  ProcessInfo info;
  info.pid = info.first_pid = pid;
  info.command = shown_command(request.argv);
  info.started = wall_clock();
  return context.table.add(std::move(info));
}

void list_ended(ExecContext& context, ProcessTable::Id id, const ExecExit& exit) {
  using Status = ProcessInfo::Status;
  ProcessInfo& info = context.table.at(id);
  info.finished = wall_clock();
  info.value = exit.value;
  switch (exit.kind) {
    case ExecExit::Kind::kExited:
      info.status = Status::kExited;
      break;
    case ExecExit::Kind::kTimedOut:
      info.status = Status::kTimedOut;
      break;
    case ExecExit::Kind::kSignaled: {
      const auto pid = static_cast<pid_t>(info.pid);
      const bool for_memory = exit.value == SIGKILL && context.killed_for_memory(pid);
      info.status = for_memory ? Status::kOomKilled : Status::kSignaled;
      break;
    }
  }
  context.process_ended();
}

asio::awaitable<void> send_failure(std::shared_ptr<http2::Stream> stream, ExecFailure failure) {
  // A hostile argv[0] must not make the message longer than a frame.
  if (failure.message.size() > kMaxFramePayload / 2) failure.message.resize(kMaxFramePayload / 2);
  const auto frame = encode_frame(FrameKind::kFailed, encode(failure));
  [[maybe_unused]] const auto sent = co_await stream->write(frame);
  stream->finish();
}

}  // namespace tl::guest
