// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/power.hpp"

#include <errno.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "runtime/guest/agent/signals.hpp"

namespace tl::guest {
namespace {

constexpr int kGraceTenths = 20;  // of a second, between SIGTERM and SIGKILL

void end_everybody() {
  ::kill(-1, SIGTERM);
  ::kill(-1, SIGCONT);
  for (int tenth = 0; tenth < kGraceTenths; ++tenth) {
    pid_t pid = 0;
    do pid = ::waitpid(-1, nullptr, WNOHANG);
    while (pid > 0);
    if (pid < 0 && errno == ECHILD) return;
    const timespec pause{0, 100'000'000};
    ::nanosleep(&pause, nullptr);
  }
  ::kill(-1, SIGKILL);
}

[[noreturn]] void end_machine(int how) {
  end_everybody();
  ::sync();
  ::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
  ::reboot(how);
  for (;;) ::pause();  // the kernel refused: stay, for the kernel panics when PID 1 leaves
}

}  // namespace

sigset_t power_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGUSR1, SIGUSR2, SIGTERM, SIGINT}) sigaddset(&set, number);
  return set;
}

Result<PowerSwitch> PowerSwitch::create(const asio::any_io_executor& executor) {
  auto signals = open_signals(executor, power_signals());
  if (!signals) return signals.error();
  return PowerSwitch(std::move(*signals));
}

asio::awaitable<void> PowerSwitch::run() {
  signalfd_siginfo info{};
  asio::error_code failed;
  co_await signals_.async_read_some(asio::buffer(&info, sizeof info),
                                    asio::redirect_error(asio::use_awaitable, failed));
  if (failed) co_return;
  ::reboot(RB_DISABLE_CAD);
  switch (info.ssi_signo) {
    case SIGUSR1:
      end_machine(RB_HALT_SYSTEM);
    case SIGUSR2:
      end_machine(RB_POWER_OFF);
    default:
      end_machine(RB_AUTOBOOT);
  }
}

}  // namespace tl::guest
