// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/local_terminal.hpp"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace tl {

guest::TerminalSize local_terminal_size() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    winsize window{};
    if (::ioctl(fd, TIOCGWINSZ, &window) != 0) continue;
    if (window.ws_row == 0 || window.ws_col == 0) break;
    return {window.ws_row, window.ws_col};
  }
  return {};
}

Result<std::unique_ptr<LocalTerminal>> LocalTerminal::open() {
  termios found{};
  if (::tcgetattr(STDIN_FILENO, &found) != 0) return errno_error("stdin is not a terminal");
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGWINCH);
  sigaddset(&watched, SIGCONT);
  UniqueFd changes(::signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!changes) return errno_error("watch for changes of the terminal");
  std::unique_ptr<LocalTerminal> terminal(new LocalTerminal);
  terminal->found_ = found;
  terminal->changes_ = std::move(changes);
  sigaddset(&watched, SIGTTOU);
  ::pthread_sigmask(SIG_BLOCK, &watched, &terminal->mask_found_);
  terminal->size_ = local_terminal_size();
  return terminal;
}

LocalTerminal::~LocalTerminal() {
  // At once: what was typed ahead stays for whoever reads next, and output that nobody takes holds us up not.
  if (raw_) ::tcsetattr(STDIN_FILENO, TCSANOW, &found_);
  ::pthread_sigmask(SIG_SETMASK, &mask_found_, nullptr);
}

Result<void> LocalTerminal::enter_raw() {
  termios raw = found_;
  ::cfmakeraw(&raw);
  if (::tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0) return errno_error("put the terminal into raw mode");
  raw_ = raw;
  return {};
}

std::optional<guest::TerminalSize> LocalTerminal::take_change() {
  signalfd_siginfo info{};
  bool continued = false;
  while (::read(changes_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    continued = continued || info.ssi_signo == SIGCONT;
  }
  // Whoever had the terminal meanwhile has left it as it likes it.
  if (continued && raw_ && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp()) {
    ::tcsetattr(STDIN_FILENO, TCSANOW, &*raw_);
  }
  const auto now = local_terminal_size();
  if (now == size_) return std::nullopt;
  size_ = now;
  return now;
}

}  // namespace tl
