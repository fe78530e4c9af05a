// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/exec_context.hpp"

#include <sys/wait.h>

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

asio::awaitable<void> send_failure(std::shared_ptr<http2::Stream> stream, ExecFailure failure) {
  // A hostile argv[0] must not make the message longer than a frame.
  if (failure.message.size() > kMaxFramePayload / 2) failure.message.resize(kMaxFramePayload / 2);
  const auto frame = encode_frame(FrameKind::kFailed, encode(failure));
  [[maybe_unused]] const auto sent = co_await stream->write(frame);
  stream->finish();
}

}  // namespace tl::guest
