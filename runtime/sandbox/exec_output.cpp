// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/exec_output.hpp"

#include <fcntl.h>
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

Result<ExecOutput> ExecOutput::create(const asio::any_io_executor& executor, const ExecSink& sink) {
  if (sink.text != nullptr) return ExecOutput(sink.text);
  const int fd = sink.fd;
  auto readiness = Readiness::create(executor, fd, Readiness::For::kWriting);
  if (!readiness) return readiness.error();
  struct stat info {};
  const bool may_block = (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
  const bool pipe = may_block && ::fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode);
  const bool by_pages = pipe || ::isatty(fd) == 1;
  return ExecOutput(fd, *std::move(readiness), by_pages ? kPage : std::numeric_limits<std::size_t>::max());
}

asio::awaitable<Result<bool>> ExecOutput::write(std::span<const std::byte> bytes) {
  if (text_ != nullptr) {
    const std::size_t room = ExecSink::kMaxText - std::min(ExecSink::kMaxText, text_->size());
    text_->append(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), room));
    co_return true;
  }
  while (!bytes.empty()) {
    co_await readiness_->wait();
    const ssize_t n = ::write(fd_, bytes.data(), std::min(bytes.size(), piece_));
    if (n < 0 && errno == EPIPE) co_return false;
    if (n < 0 && errno != EINTR && errno != EAGAIN) {
      co_return errno_error(fd_ == STDERR_FILENO ? "write to stderr" : "write to stdout");
    }
    if (n > 0) bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  co_return true;
}

}  // namespace tl
