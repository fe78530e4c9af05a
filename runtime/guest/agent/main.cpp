// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <malloc.h>
#include <sys/reboot.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string_view>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "common/io.hpp"
#include "common/log.hpp"
#include "runtime/guest/agent/boot.hpp"
#include "runtime/guest/agent/configure.hpp"
#include "runtime/guest/agent/control_groups.hpp"
#include "runtime/guest/agent/files.hpp"
#include "runtime/guest/agent/job_thread.hpp"
#include "runtime/guest/agent/link.hpp"
#include "runtime/guest/agent/metrics.hpp"
#include "runtime/guest/agent/network.hpp"
#include "runtime/guest/agent/oom_watch.hpp"
#include "runtime/guest/agent/power.hpp"
#include "runtime/guest/agent/quiescence.hpp"
#include "runtime/guest/agent/root_freeze.hpp"
#include "runtime/guest/agent/service.hpp"
#include "runtime/guest/agent/signals.hpp"

// tl-agent: PID 1 of a sandbox. It never ends, because the kernel panics when PID 1 does: whatever fails is
// logged (dmesg) or reported to the host, and the rest goes on.
namespace tl::guest {
namespace {

// A host that says nothing gets its machine made ready all the same.
void run_until(asio::io_context& io, const bool& happened) {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!happened && io.run_one_until(patience) > 0) {
  }
}

// Memory is had in advance and kept: a guest that goes on from a template would have all of the kernel's work
// on address spaces before it answers.
void keep_memory() {
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TOP_PAD, 512 << 10);
  ::mallopt(M_TRIM_THRESHOLD, 8 << 20);
  ::mallopt(M_MMAP_THRESHOLD, 4 << 20);
}

// Writes to the root file system, which somebody inside may have frozen, and grows it, which takes long. A
// template has had nobody inside, and is as large as it shall be.
asio::awaitable<ConfigureReport> configure_beside(JobThread& jobs, std::string boot_error,
                                                  Configuration configuration, bool* done) {
  ConfigureReport report{std::move(boot_error)};
  if (report.error.empty() && configuration.restored == Restored::kFresh) {
    report = configure_guest(configuration);
  } else if (report.error.empty()) {
    // A name of its own: g++ 12 would destroy it twice as a temporary of the call.
    std::function<ConfigureReport()> job = [configuration = std::move(configuration)] {
      return configure_guest(configuration);
    };
    report = co_await jobs.run(std::move(job));
  }
  *done = true;
  co_return report;
}

// The driver announces the port from a work queue, perhaps after us.
asio::awaitable<void> serve_port(asio::any_io_executor executor, Service* service, bool* greeted, Log log) {
  asio::steady_timer pause(executor);
  auto port = open_agent_port();
  for (int tries = 0; !port; ++tries) {
    if (tries == 1000) log.info("link: {}", port.error().message);
    pause.expires_after(std::chrono::milliseconds(tries < 1000 ? 1 : 100));
    asio::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    port = open_agent_port();
  }
  auto link =
      Link::create(executor, std::move(*port),
                   {[service](std::shared_ptr<http2::Stream> stream) { service->accept(std::move(stream)); },
                    [service] { service->session_ended(); }},
                   log);
  if (!link) {
    log.info("link: {}", link.error().message);
    co_return;
  }
  co_await link->run(*greeted);
}

template <typename Worker>
void run_for_ever(asio::io_context& io, Result<Worker>& worker, const Log& log) {
  if (!worker) {
    log.info("{}", worker.error().message);
    return;
  }
  asio::co_spawn(io, worker->run(), asio::detached);
}

void run() {
  keep_memory();
  prepare_signals(power_signals());
  const auto prepared = prepare_initramfs();
  const UniqueFd messages(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC));
  const Log log(messages.get());
  if (!prepared) log.info("boot: {}", prepared.error().message);

  asio::io_context io(1);
  auto reaper = Reaper::create(io.get_executor());
  run_for_ever(io, reaper, log);
  auto power = PowerSwitch::create(io.get_executor());
  run_for_ever(io, power, log);
  ::reboot(RB_DISABLE_CAD);  // Ctrl-Alt-Del is a SIGINT to us

  JobThread jobs;
  StartGate gate(io.get_executor());
  ControlGroups groups;
  TimerAlarm freeze_alarm(io.get_executor()), quiescence_alarm(io.get_executor());
  RootFreeze freeze(io.get_executor(), root_file_system(), jobs, gate, freeze_alarm, log);
  Quiescence quiescence(io.get_executor(), groups, gate, quiescence_alarm, log);
  ExecContext context{io.get_executor(), reaper.value(), groups, gate, UserTable(), {}, {}, {}};
  context.own_program = UniqueFd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  std::string boot_error;
  bool configured = false;
  const auto configure = [&](Configuration configuration) {
    return configure_beside(jobs, boot_error, std::move(configuration), &configured);
  };
  OomWatch oom = OomWatch::from_now();
  context.killed_for_memory = [&oom](pid_t pid) { return oom.killed(pid); };
  Terminals terminals(context, kTerminalLease);
  Processes processes(context);
  Service service(context, {terminals, processes}, {freeze, quiescence},
                  {configure, take_identity, read_metrics}, log);
  bool greeted = false;
  asio::co_spawn(io, serve_port(io.get_executor(), &service, &greeted, log), asio::detached);

  // While we mount, the host's next message is on its way.
  run_until(io, greeted);
  const auto entered = enter_root_disk();
  if (!entered) boot_error = entered.error().message;
  service.reach(Service::Stage::kRootDisk);
  run_until(io, configured);
  io.poll();  // sends the answer
  furnish();
  settle_link();
  if (const auto made = groups.make(); !made) log.info("boot: {}", made.error().message);
  context.no_input = UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  service.reach(Service::Stage::kWhole);
  for (;;) {
    try {
      io.run();
      log.info("the event loop ran out of work");
      ::sleep(1);
    } catch (const std::exception& failed) {
      log.info("the event loop failed: {}", failed.what());
    }
  }
}

}  // namespace
}  // namespace tl::guest

int main(int count, char** words) {
  if (::getpid() != 1) {
    if (const auto code = tl::guest::move_files({words, words + count})) return *code;
    static_cast<void>(tl::write_all(
        STDERR_FILENO, std::string_view("tl-agent is the init of a sandbox; it does not run elsewhere\n")));
    return 2;
  }
  tl::guest::run();
}
