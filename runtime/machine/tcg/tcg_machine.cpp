// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/tcg_machine.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "common/async_event.hpp"
#include "common/child_process.hpp"
#include "runtime/machine/cpu_limit/cpu_limiter.hpp"
#include "runtime/machine/cpu_limit/limited_process.hpp"
#include "runtime/machine/tcg/exit.hpp"
#include "runtime/machine/tcg/kept_process.hpp"
#include "runtime/machine/tcg/memory_use.hpp"
#include "runtime/machine/tcg/migration.hpp"
#include "runtime/machine/tcg/qemu_child.hpp"
#include "runtime/machine/tcg/qemu_messages.hpp"
#include "runtime/machine/tcg/qmp_client.hpp"
#include "runtime/machine/tcg/saved_state.hpp"
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
  Result<void> limit_cpu();
  void on_qmp_event(const std::string& name, const nlohmann::json& data);
  void on_console_event(ConsoleMonitor::Event event);
  void finish(MachineExit why);
  void abandon();

  asio::any_io_executor executor;
  MachineSpec spec;
  TcgWiring wiring;
  const Log& log;
  std::string qemu;
  TscRate tsc;  // measured while whoever made the machine prepares its start

  std::optional<ChildProcess> child;
  QemuDescriptors numbers;  // of the child
  std::shared_ptr<QmpClient> qmp;
  std::shared_ptr<Migration> migration;
  std::shared_ptr<CpuLimiter> limiter;
  stream_descriptor console;
  stream_descriptor errors;
  stream_descriptor process;  // the pidfd

  AsyncEvent changed;        // readers, exit
  asio::steady_timer grace;  // until QEMU is killed because it does not end by itself
  int readers = 0;           // coroutines that still drain something
  bool drained_late = false;
  bool abandoned = false;
  bool paused = false;
  std::vector<std::byte> saved;  // what save() has given since the last resume()
  QemuMessages messages;
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
    state->messages.take(std::string_view(chunk.data(), n), state->log);
  }
  --state->readers;
  state->changed.notify_all();
}

template <typename State>
asio::awaitable<void> run_qmp(std::shared_ptr<State> state) {
  const Result<void> result = co_await QmpClient::run(state->qmp);
  state->migration->end();
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
  state->end.stderr_text = state->messages.newest();
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

// The better of two reasons why a machine could not go on: a QEMU that cannot load a state prints why, and
// ends.
template <typename State>
asio::awaitable<Error> why_not(std::shared_ptr<State> state, Error error) {
  if (!state->migration->failed()) co_return error;
  asio::steady_timer grace(state->executor, kGrace);
  grace.async_wait([state](const asio::error_code& cancelled) {
    if (!cancelled) state->changed.notify_all();
  });
  while (!state->exit && grace.expiry() > std::chrono::steady_clock::now()) co_await state->changed.wait();
  const bool told = state->exit && state->exit->cause == MachineExit::Cause::kBroken;
  if (told) error.message = state->exit->detail;
  co_return error;
}

// What was saved comes to be in QEMU; in one that was kept it is already.
template <typename State>
asio::awaitable<Result<void>> load(std::shared_ptr<State> state) {
  std::vector<std::byte> bytes = std::exchange(state->spec.saved_state, {});
  auto ready = std::move(state->wiring.memory_ready);
  if (state->spec.process_image.empty()) {
    auto loaded = co_await Migration::load(state->migration, std::move(bytes), std::move(ready));
    co_return loaded;
  }
  if (!ready) co_return Result<void>();
  auto filled = co_await ready();
  co_return filled;
}

// A saved machine goes on. The CPU limit is the guest's, and QEMU's loading is not the guest.
template <typename State>
asio::awaitable<Result<void>> go_on(std::shared_ptr<State> state) {
  const auto loaded = co_await load(state);
  if (!loaded) {
    const Error why = co_await why_not(state, loaded.error());
    co_return why;
  }
  if (state->abandoned || state->exit) co_return Error{ErrorCode::kFailure, "given up", ""};
  const auto limited = state->limit_cpu();
  if (!limited) co_return limited.error();
  const auto continued = co_await command(state, "cont");
  co_return continued;
}

}  // namespace

Result<void> TcgMachine::State::spawn() {
  const QemuInheritance inheritance{wiring.memory.get(), wiring.disk.get(), wiring.agent.get(),
                                    wiring.network.get()};
  std::optional<std::string> negotiated;
  if (!spec.process_image.empty()) {
    const auto saved_by = parse_saved_state(spec.saved_state);
    if (!saved_by) return saved_by.error();
    negotiated = saved_by->qemu_version;
  }
  auto started = start_qemu(qemu, spec, inheritance, tsc.khz());
  if (!started) return started.error();
  auto client = QmpClient::create(
      executor, std::move(started->control),
      [weak = weak_from_this()](const std::string& name, const nlohmann::json& data) {
        if (const auto self = weak.lock()) self->on_qmp_event(name, data);
      },
      std::move(negotiated));
  if (!client) return client.error();
  child = std::move(started->process);
  numbers = started->numbers;
  qmp = std::move(*client);
  migration = std::make_shared<Migration>(executor, qmp);
  console.assign(started->console.release());
  errors.assign(started->errors.release());
  process.assign(started->pidfd.release());
  wiring.disk.reset();
  wiring.agent.reset();
  wiring.network.reset();
  spec.initramfs = {};
  return {};
}

Result<void> TcgMachine::State::limit_cpu() {
  if (spec.cpu_limit >= spec.vcpus) return {};
  const auto limited = LimitedProcess::create(child->pid(), child->pidfd());
  if (!limited) return limited.error();
  limiter = CpuLimiter::start(executor, *limited, spec.cpu_limit, spec.vcpus);
  log.debug("CPU limit {} by {}", spec.cpu_limit, limiter->method_name());
  return {};
}

void TcgMachine::State::on_qmp_event(const std::string& name, const nlohmann::json& data) {
  if (abandoned) return;
  log.debug("QEMU: {}", name);
  migration->on_event(name, data);
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
  wiring.memory.reset();
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
  wiring.network.reset();
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
  TL_CHECK(spec.vcpus >= 1 && wiring.memory && (spec.initramfs.file || !spec.saved_state.empty()));
  auto state = std::make_shared<State>(executor, std::move(spec), std::move(wiring), log, std::move(*path));
  return std::unique_ptr<TcgMachine>(new TcgMachine(std::move(state)));
}

asio::awaitable<Result<void>> TcgMachine::start() {
  const auto state = state_;
  TL_CHECK(!state->child && !state->exit);
  const bool saved = !state->spec.saved_state.empty();
  if (!saved) {
    asio::steady_timer measured(state->executor, state->tsc.missing());
    asio::error_code ignored;
    co_await measured.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (state->abandoned) co_return Error{ErrorCode::kFailure, "start QEMU: given up", ""};
  const Result<void> spawned = state->spawn();
  if (!spawned) co_return spawned.error().within("start QEMU");
  state->readers = 3;
  asio::co_spawn(state->executor, read_console(state), asio::detached);
  asio::co_spawn(state->executor, read_stderr(state), asio::detached);
  asio::co_spawn(state->executor, run_qmp(state), asio::detached);
  asio::co_spawn(state->executor, await_end(state), asio::detached);
  Result<void> runs;
  if (saved) {
    runs = co_await go_on(state);
  } else {
    runs = state->limit_cpu();
  }
  if (runs) co_return runs;
  state->abandon();
  co_return runs.error().within(saved ? "load the saved machine" : "start QEMU");
}

asio::awaitable<Result<void>> TcgMachine::pause() {
  const auto state = state_;
  const auto stopped = co_await command(state, "stop");
  if (stopped) state->paused = true;
  co_return stopped;
}

asio::awaitable<Result<void>> TcgMachine::resume() {
  const auto state = state_;
  // What was saved is not what is from here on, whether this succeeds or not.
  state->saved.clear();
  const auto continued = co_await command(state, "cont");
  if (continued) state->paused = false;
  co_return continued;
}

asio::awaitable<Result<std::vector<std::byte>>> TcgMachine::save() {
  const auto state = state_;
  if (!state->qmp || state->exit || !state->paused) {
    co_return Error{ErrorCode::kFailure, "save: the machine is not paused", ""};
  }
  // QEMU saves a paused machine only once.
  if (!state->saved.empty()) co_return state->saved;
  auto bytes = co_await Migration::save(state->migration);
  if (!bytes) co_return bytes.error().within("save the machine");
  state->saved = *bytes;
  co_return bytes;
}

asio::awaitable<Result<void>> TcgMachine::keep_process(std::filesystem::path file) {
  const auto state = state_;
  if (state->saved.empty() || state->exit)
    co_return Error{ErrorCode::kFailure, "keep QEMU: the machine is not saved", ""};
  auto kept = co_await keep_qemu(state->executor, state->child->pid(), state->numbers, state->spec.memory_mib,
                                 std::move(file));
  co_return kept;
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
  if (!state_->child || state_->exit) return 0;
  return memory_use(state_->child->pid(), state_->wiring.memory.get());
}

int TcgMachine::pid() const {
  return state_->child ? state_->child->pid() : -1;
}

}  // namespace tl::machine
