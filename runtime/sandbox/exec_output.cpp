// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/exec_output.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace tl {
namespace {

// poll(2) calls a pipe writable when a page is free, so more than a page could block. A terminal takes its
// time, and the keyboard must have its turn.
constexpr std::size_t kPage = 4096;

}  // namespace

Result<ExecOutput> ExecOutput::create(const asio::any_io_executor& executor, int fd) {
  auto readiness = Readiness::create(executor, fd, Readiness::For::kWriting);
  if (!readiness) return readiness.error();
  struct stat info {};
  const bool pipe = ::fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode);
  const bool by_pages = pipe || ::isatty(fd) == 1;
  return ExecOutput(fd, *std::move(readiness), by_pages ? kPage : std::numeric_limits<std::size_t>::max());
}

asio::awaitable<Result<bool>> ExecOutput::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    co_await readiness_.wait();
    const ssize_t n = ::write(fd_, bytes.data(), std::min(bytes.size(), piece_));
    if (n < 0 && errno == EPIPE) co_return false;
    if (n < 0 && errno != EINTR && errno != EAGAIN) {
      co_return errno_error(fd_ == STDOUT_FILENO ? "write to stdout" : "write to stderr");
    }
    if (n > 0) bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  co_return true;
}

}  // namespace tl
