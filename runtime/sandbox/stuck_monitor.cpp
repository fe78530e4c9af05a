// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/stuck_monitor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

#include <fmt/format.h>

#include "common/io.hpp"

namespace tl {
namespace {

constexpr int kGoneMilliseconds = 30'000;
constexpr std::size_t kMaxCommandLine = 64 * 1024;

bool is_monitor_of(pid_t pid, const std::string& sandbox) {
  const auto words = read_file(AT_FDCWD, fmt::format("/proc/{}/cmdline", pid), kMaxCommandLine);
  if (!words) return false;
  const auto has_word = [&words](std::string_view word) {
    return words->find(std::string("\0", 1) + std::string(word) + std::string("\0", 1)) != std::string::npos;
  };
  return has_word("--monitor") && has_word(sandbox);
}

Error not_found() {
  return Error{ErrorCode::kFailure, "the sandbox's monitor does not answer and cannot be found", ""};
}

}  // namespace

Result<void> kill_stuck_monitor(const UniqueFd& control, const std::string& sandbox) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(control.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return not_found();
  // Held from before the look at the command line: what was looked at is what is killed.
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0)));
  if (!process || !is_monitor_of(peer.pid, sandbox)) return not_found();
  if (::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0) != 0) {
    return errno_error("kill the sandbox's monitor");
  }
  pollfd gone{process.get(), POLLIN, 0};
  if (::poll(&gone, 1, kGoneMilliseconds) != 1) {
    return Error{ErrorCode::kFailure, "the sandbox's monitor was killed and does not go", ""};
  }
  return {};
}

}  // namespace tl
