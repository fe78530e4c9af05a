// SPDX-License-Identifier: Apache-2.0
#include "cli/output.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace tl::cli {
namespace {
constexpr std::size_t kEnoughForOneWrite = 64 * 1024;
}

void Output::write(std::string_view text) {
  pending_ += text;
  if (pending_.size() >= kEnoughForOneWrite) static_cast<void>(flush());
}

void Output::line(std::string_view text) {
  write(text);
  write("\n");
}

// common/io's write_all cannot be used: it does not tell EPIPE from the rest.
Result<void> Output::flush() {
  std::string_view rest = pending_;
  while (state_ == State::kOpen && !rest.empty()) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EPIPE) {
      state_ = State::kReaderGone;
    } else if (errno == EAGAIN) {  // somebody we share the descriptor with has made it non-blocking
      pollfd writable{fd_, POLLOUT, 0};
      static_cast<void>(::poll(&writable, 1, -1));
    } else if (errno != EINTR) {
      state_ = State::kFailed;
      error_ = errno_error("write output");
    }
  }
  pending_.clear();
  if (state_ == State::kFailed) return error_;
  return {};
}

}  // namespace tl::cli
