// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/tcg_machine.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "common/async_event.hpp"
#include "common/child_process.hpp"
#include "common/io.hpp"
#include "common/printable.hpp"
#include "runtime/machine/cpu_limit/cpu_limiter.hpp"
#include "runtime/machine/cpu_limit/limited_process.hpp"
#include "runtime/machine/tcg/command_line.hpp"
#include "runtime/machine/tcg/exit.hpp"
#include "runtime/machine/tcg/qmp_client.hpp"
#include "runtime/machine/tcg/tsc_rate.hpp"

// Four coroutines belong to a running QEMU: one reads the console, one stderr, one the control connection,
// and one waits for the process. They share State, which they keep alive; the machine itself may go at any
// moment, and then `abandoned` tells them to touch nothing that is not theirs (log, console). The exit is
// decided when the process has ended and the three readers have drained what it left behind, because there
// the reason stands.
namespace tl::machine {
namespace {

using asio::posix::stream_descriptor;

constexpr std::chrono::seconds kGrace(1);         // for QEMU to end by itself once the guest has
constexpr std::chrono::seconds kDrainTimeout(1);  // for the readers after the end of the process
constexpr std::size_t kStderrBytes = 8 << 10;
constexpr std::size_t kStderrLogBytes = 64 << 10;

std::uint64_t resident_bytes(pid_t pid) {
  const auto text = read_file(AT_FDCWD, fmt::format("/proc/{}/statm", pid), 4096);
  if (!text) return 0;
  const std::size_t space = text->find(' ');
  if (space == std::string::npos) return 0;
  return std::strtoull(text->c_str() + space, nullptr, 10) * static_cast<std::uint64_t>(::getpagesize());
}

}  // namespace

struct TcgMachine::State : std::enable_shared_from_this<State> {
  State(const asio::any_io_executor& io, MachineSpec machine_spec, TcgWiring machine_wiring, const Log& to,
        std::string program)
      : executor(io),
        spec(std::move(machine_spec)),
        wiring(std::move(machine_wiring)),
        log(to),
        qemu(std::move(program)),
        console(io),
        errors(io),
        process(io),
        changed(io),
        grace(io) {}

  Result<void> spawn();
  void on_qmp_event(const std::string& name, const nlohmann::json& data);
  void on_console_event(ConsoleMonitor::Event event);
  void take_stderr(std::string_view bytes);
  void finish(MachineExit why);
  void abandon();

  asio::any_io_executor executor;
  MachineSpec spec;
  TcgWiring wiring;
  const Log& log;
  std::string qemu;
  TscRate tsc;  // measured while whoever made the machine prepares its start

  std::optional<ChildProcess> child;
  std::shared_ptr<QmpClient> qmp;
  std::shared_ptr<CpuLimiter> limiter;
  stream_descriptor console;
  stream_descriptor errors;
  stream_descriptor process;  // the pidfd

  AsyncEvent changed;        // readers, exit
  asio::steady_timer grace;  // until QEMU is killed because it does not end by itself
  int readers = 0;           // coroutines that still drain something
  bool drained_late = false;
  bool abandoned = false;
  std::string stderr_line;  // its beginning
  std::size_t stderr_logged = 0;
  QemuEnd end;
  std::optional<MachineExit> exit;
};

namespace {

template <typename State>
asio::awaitable<void> read_console(std::shared_ptr<State> state) {
  std::array<char, 16 << 10> chunk;
  while (!state->abandoned) {
    asio::error_code ec;
    const std::size_t n = co_await state->console.async_read_some(
        asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, ec));
    if (ec || state->abandoned) break;
    if (state->wiring.console == nullptr) continue;
    auto event = state->wiring.console->consume(std::string_view(chunk.data(), n));
    if (event) state->on_console_event(*std::move(event));
  }
  --state->readers;
  state->changed.notify_all();
}

template <typename State>
asio::awaitable<void> read_stderr(std::shared_ptr<State> state) {
  std::array<char, 4096> chunk;
  while (!state->abandoned) {
    asio::error_code ec;
    const std::size_t n = co_await state->errors.async_read_some(
        asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, ec));
    if (ec || state->abandoned) break;
    state->take_stderr(std::string_view(chunk.data(), n));
  }
  --state->readers;
  state->changed.notify_all();
}

template <typename State>
asio::awaitable<void> run_qmp(std::shared_ptr<State> state) {
  const Result<void> result = co_await QmpClient::run(state->qmp);
  if (!result && !state->abandoned) {
    state->end.control_failure = result.error().message;
    state->log.info("{}; QEMU is killed", result.error().message);
    state->child->kill(SIGKILL);
  }
  --state->readers;
  state->changed.notify_all();
}

// The guest has ended but QEMU has not.
template <typename State>
asio::awaitable<void> end_soon(std::shared_ptr<State> state, bool ask) {
  state->grace.expires_after(kGrace);
  if (ask) {
    [[maybe_unused]] const auto ignored =
        co_await QmpClient::execute(state->qmp, "quit", nlohmann::json::object(), kGrace);
  }
  asio::error_code ec;
  if (!state->abandoned && !state->exit) {
    co_await state->grace.async_wait(asio::redirect_error(asio::use_awaitable, ec));
  }
  if (!state->abandoned && !state->exit && !ec) state->child->kill(SIGKILL);
}

template <typename State>
asio::awaitable<void> await_end(std::shared_ptr<State> state) {
  asio::error_code ec;
  co_await state->process.async_wait(stream_descriptor::wait_read,
                                     asio::redirect_error(asio::use_awaitable, ec));
  if (state->abandoned) co_return;

  asio::steady_timer timeout(state->executor, kDrainTimeout);
  timeout.async_wait([state](const asio::error_code& cancelled) {
    if (cancelled) return;
    state->drained_late = true;
    state->changed.notify_all();
  });
  while (state->readers > 0 && !state->drained_late && !state->abandoned) co_await state->changed.wait();
  timeout.cancel();
  if (state->abandoned) co_return;

  const auto status = state->child->wait();
  if (status) state->end.status = *status;
  state->finish(explain(state->end));
}

template <typename State>
asio::awaitable<MachineExit> await_exit(std::shared_ptr<State> state) {
  while (!state->exit) co_await state->changed.wait();
  co_return *state->exit;
}

template <typename State>
asio::awaitable<Result<void>> command(std::shared_ptr<State> state, std::string name) {
  if (!state->qmp || state->exit) {
    co_return Error{ErrorCode::kFailure, name + ": the machine does not run", ""};
  }
  const auto reply = co_await QmpClient::execute(state->qmp, name);
  if (!reply) co_return reply.error();
  co_return Result<void>();
}

}  // namespace

Result<void> TcgMachine::State::spawn() {
  auto control = stream_socket_pair();
  if (!control) return control.error();
  auto serial = stream_socket_pair();
  if (!serial) return serial.error();
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return errno_error("pipe");
  UniqueFd report_ours(report[0]);
  UniqueFd report_theirs(report[1]);

  QemuDescriptors numbers;
  ChildSpec child_spec;
  child_spec.fds = {{STDOUT_FILENO, report_theirs.get()},
                    {STDERR_FILENO, report_theirs.get()},
                    {numbers.qmp, control->second.get()},
                    {numbers.console, serial->second.get()},
                    {numbers.initramfs, spec.initramfs.file.get()}};
  if (wiring.disk) {
    child_spec.fds.push_back({numbers.disk, wiring.disk.get()});
  } else {
    numbers.disk = -1;
  }
  if (wiring.agent) {
    child_spec.fds.push_back({numbers.agent, wiring.agent.get()});
  } else {
    numbers.agent = -1;
  }
  child_spec.argv = qemu_command_line(qemu, spec, numbers, tsc.khz());
  child_spec.environment = std::vector<std::string>{"PATH=/usr/bin:/bin", "LC_ALL=C"};
  child_spec.group = ChildSpec::Group::kOwnGroup;
  child_spec.death_signal = SIGKILL;

  auto client =
      QmpClient::create(executor, std::move(control->first),
                        [weak = weak_from_this()](const std::string& name, const nlohmann::json& data) {
                          if (const auto self = weak.lock()) self->on_qmp_event(name, data);
                        });
  if (!client) return client.error();
  auto started = ChildProcess::spawn(child_spec);
  if (!started) return started.error();
  const int pidfd = ::fcntl(started->pidfd(), F_DUPFD_CLOEXEC, 0);
  if (pidfd < 0) return errno_error("watch QEMU");

  child = std::move(*started);
  qmp = std::move(*client);
  console.assign(serial->first.release());
  errors.assign(report_ours.release());
  process.assign(pidfd);
  wiring.disk.reset();
  wiring.agent.reset();
  spec.initramfs = {};
  return {};
}

void TcgMachine::State::on_qmp_event(const std::string& name, const nlohmann::json& data) {
  if (abandoned) return;
  log.debug("QEMU: {}", name);
  if (name != "SHUTDOWN") return;
  const auto reason = data.find("reason");
  end.shutdown_reason = reason != data.end() && reason->is_string() ? reason->get<std::string>() : "unknown";
}

void TcgMachine::State::on_console_event(ConsoleMonitor::Event event) {
  if (end.console) return;
  log.info("console: {}", event.line);
  const bool powered_off = event.cause == MachineExit::Cause::kPowerOff;
  end.console = std::move(event);
  // After a panic the kernel prints where, and then resets.
  asio::co_spawn(executor, end_soon(shared_from_this(), powered_off), asio::detached);
}

void TcgMachine::State::take_stderr(std::string_view bytes) {
  end.stderr_text += bytes;
  if (end.stderr_text.size() > kStderrBytes) end.stderr_text.erase(0, end.stderr_text.size() - kStderrBytes);
  stderr_line += bytes.substr(0, kStderrBytes);
  for (std::size_t at = stderr_line.find('\n'); at != std::string::npos; at = stderr_line.find('\n')) {
    if (stderr_logged < kStderrLogBytes) {
      log.info("QEMU says: {}", make_printable(std::string_view(stderr_line).substr(0, at), 1000));
    }
    stderr_logged += at + 1;
    stderr_line.erase(0, at + 1);
  }
  if (stderr_line.size() > kStderrBytes) stderr_line.clear();
}

void TcgMachine::State::finish(MachineExit why) {
  if (exit) return;
  exit = std::move(why);
  if (limiter) limiter->stop();
  limiter.reset();
  if (qmp) qmp->close();
  asio::error_code ignored;
  console.close(ignored);
  errors.close(ignored);
  process.close(ignored);
  grace.cancel();
  changed.notify_all();
}

void TcgMachine::State::abandon() {
  abandoned = true;
  if (child) {
    child->kill(SIGKILL);
    [[maybe_unused]] const auto reaped = child->wait();
  }
  wiring.disk.reset();
  wiring.agent.reset();
  wiring.console = nullptr;
  finish({MachineExit::Cause::kKilled, "the machine was killed"});
}

TcgMachine::TcgMachine(std::shared_ptr<State> state) : state_(std::move(state)) {}

TcgMachine::~TcgMachine() {
  state_->abandon();
}

Result<std::unique_ptr<TcgMachine>> TcgMachine::create(const asio::any_io_executor& executor,
                                                       MachineSpec spec, TcgWiring wiring, const Log& log,
                                                       const std::string& qemu) {
  auto path = find_program(qemu);
  if (!path) return path.error().with_hint("apt-get install qemu-system-x86");
  TL_CHECK(spec.vcpus >= 1 && spec.initramfs.file && spec.initramfs.offset == 0);
  auto state = std::make_shared<State>(executor, std::move(spec), std::move(wiring), log, std::move(*path));
  return std::unique_ptr<TcgMachine>(new TcgMachine(std::move(state)));
}

asio::awaitable<Result<void>> TcgMachine::start() {
  const auto state = state_;
  TL_CHECK(!state->child && !state->exit);
  asio::steady_timer measured(state->executor, state->tsc.missing());
  asio::error_code ignored;
  co_await measured.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (state->abandoned) co_return Error{ErrorCode::kFailure, "start QEMU: given up", ""};
  const Result<void> spawned = state->spawn();
  if (!spawned) co_return spawned.error().within("start QEMU");
  if (state->spec.cpu_limit < state->spec.vcpus) {
    const auto process = LimitedProcess::create(state->child->pid(), state->child->pidfd());
    if (!process) {
      state->abandon();
      co_return process.error().within("start QEMU");
    }
    state->limiter = CpuLimiter::start(state->executor, *process, state->spec.cpu_limit, state->spec.vcpus);
    state->log.debug("CPU limit {} by {}", state->spec.cpu_limit, state->limiter->method_name());
  }
  state->readers = 3;
  asio::co_spawn(state->executor, read_console(state), asio::detached);
  asio::co_spawn(state->executor, read_stderr(state), asio::detached);
  asio::co_spawn(state->executor, run_qmp(state), asio::detached);
  asio::co_spawn(state->executor, await_end(state), asio::detached);
  co_return Result<void>();
}

asio::awaitable<Result<void>> TcgMachine::pause() {
  return command(state_, "stop");
}

asio::awaitable<Result<void>> TcgMachine::resume() {
  return command(state_, "cont");
}

asio::awaitable<MachineExit> TcgMachine::wait() {
  return await_exit(state_);
}

void TcgMachine::kill() {
  if (!state_->child || state_->exit) return;
  state_->end.kill_requested = true;
  state_->child->kill(SIGKILL);
}

std::uint64_t TcgMachine::memory_used_bytes() const {
  return state_->child && !state_->exit ? resident_bytes(state_->child->pid()) : 0;
}

int TcgMachine::pid() const {
  return state_->child ? state_->child->pid() : -1;
}

}  // namespace tl::machine
