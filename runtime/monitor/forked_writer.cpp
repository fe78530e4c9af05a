// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/forked_writer.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <asio/buffer.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "common/io.hpp"

namespace tl::monitor {
namespace {

[[noreturn]] void run_child(const std::function<Result<void>()>& work, int report, pid_t parent) {
  ::prctl(PR_SET_NAME, "tl-writer");
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  const Result<void> done = work();
  if (done) ::_exit(0);
  const auto code = static_cast<char>(done.error().code);
  static_cast<void>(write_all(report, std::string(1, code) + done.error().message));
  ::_exit(1);
}

}  // namespace

Result<ForkedWriter> ForkedWriter::start(const std::function<Result<void>()>& work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return errno_error("fork");
  if (child == 0) run_child(work, theirs.get(), parent);
  return ForkedWriter(child, std::move(ours));
}

ForkedWriter::ForkedWriter(ForkedWriter&& other) noexcept
    : child_(std::exchange(other.child_, -1)), report_(std::move(other.report_)) {}

ForkedWriter::~ForkedWriter() {
  if (child_ < 0) return;
  ::kill(child_, SIGKILL);
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

asio::awaitable<Result<void>> ForkedWriter::finish(asio::any_io_executor executor) {
  asio::posix::stream_descriptor report(executor, report_.release());
  std::string said;
  for (;;) {
    std::array<char, 512> piece;
    asio::error_code failed;
    const std::size_t n = co_await report.async_read_some(asio::buffer(piece),
                                                          asio::redirect_error(asio::use_awaitable, failed));
    said.append(piece.data(), n);
    if (failed) break;
  }
  int status = 0;
  pid_t waited = -1;
  do waited = ::waitpid(child_, &status, 0);
  while (waited < 0 && errno == EINTR);
  if (waited < 0) co_return errno_error("wait for the process that writes the memory");
  child_ = -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) co_return Result<void>();
  if (said.empty()) co_return Error{ErrorCode::kFailure, "the process that writes the memory was killed", ""};
  co_return Error{static_cast<ErrorCode>(said.front()), said.substr(1), ""};
}

}  // namespace tl::monitor
