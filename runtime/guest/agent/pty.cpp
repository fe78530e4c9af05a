// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/pty.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstddef>

namespace tl::guest {
namespace {

constexpr gid_t kTtyGroup = 5;  // as devpts is mounted: write(1) and its like may write to it
constexpr mode_t kMode = 0620;
constexpr std::byte kControlD{4};

}  // namespace

Result<Pty> Pty::open(TerminalSize size, const User& user) {
  Pty pty;
  pty.master.reset(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  if (!pty.master) return errno_error("open /dev/ptmx");
  const int master = pty.master.get();
  int locked = 0;
  if (::ioctl(master, TIOCSPTLCK, &locked) != 0) return errno_error("unlock a terminal");
  // By the descriptor, because no path is to be trusted in a file system that is the guest's.
  pty.slave.reset(::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!pty.slave) return errno_error("open a terminal");
  const int slave = pty.slave.get();
  // A user that we cannot give it to is one that we cannot become either.
  static_cast<void>(::fchown(slave, user.uid, kTtyGroup));
  static_cast<void>(::fchmod(slave, kMode));
  termios mode{};
  if (::tcgetattr(slave, &mode) != 0) return errno_error("look at a terminal's mode");
  mode.c_iflag |= IUTF8;
  if (::tcsetattr(slave, TCSANOW, &mode) != 0) return errno_error("set a terminal's mode");
  set_terminal_size(master, size);
  return pty;
}

void set_terminal_size(int master, TerminalSize size) {
  winsize window{};
  window.ws_row = size.rows;
  window.ws_col = size.columns;
  static_cast<void>(::ioctl(master, TIOCSWINSZ, &window));
}

void signal_foreground(int master, int number) {
  // TIOCSIG knows the signals of keys only.
  const pid_t group = foreground_group(master);
  if (group > 1) ::kill(-group, number);
}

pid_t foreground_group(int master) {
  const pid_t group = ::tcgetpgrp(master);
  return group > 1 ? group : -1;
}

std::byte end_of_input(int master) {
  termios mode{};
  if (::tcgetattr(master, &mode) != 0 || mode.c_cc[VEOF] == _POSIX_VDISABLE) return kControlD;
  return static_cast<std::byte>(mode.c_cc[VEOF]);
}

}  // namespace tl::guest
