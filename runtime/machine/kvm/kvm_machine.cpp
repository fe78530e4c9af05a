// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/kvm_machine.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "common/async_event.hpp"
#include "common/io.hpp"
#include "runtime/machine/console_monitor.hpp"
#include "runtime/machine/cpu_limit/cpu_limiter.hpp"
#include "runtime/machine/kvm/boot/boot_info.hpp"
#include "runtime/machine/kvm/boot/entry.hpp"
#include "runtime/machine/kvm/boot/kernel_command_line.hpp"
#include "runtime/machine/kvm/bus.hpp"
#include "runtime/machine/kvm/console_buffer.hpp"
#include "runtime/machine/kvm/exit.hpp"
#include "runtime/machine/kvm/i8042.hpp"
#include "runtime/machine/kvm/layout.hpp"
#include "runtime/machine/kvm/limited_vcpus.hpp"
#include "runtime/machine/kvm/machine_state.hpp"
#include "runtime/machine/kvm/prefault.hpp"
#include "runtime/machine/kvm/serial.hpp"
#include "runtime/machine/kvm/vcpu_set.hpp"

// State is shared with the coroutines that wait, which keep it alive. vCPU threads touch the bus and its
// devices, and tell the control thread of two things by posting to its executor: the console has bytes, and a
// vCPU has ended. What they post holds State weakly, so that a machine that is destroyed meanwhile is simply
// not there any more. finish() takes everything down in one order: vCPU threads, then devices, so that nobody
// is left who could call them.
namespace tl::machine::kvm {
namespace {

constexpr std::chrono::seconds kGrace(1);  // for a guest that said goodbye to stop by itself

std::uint64_t resident_bytes() {
  const auto text = read_file(AT_FDCWD, "/proc/self/statm", 4096);
  if (!text) return 0;
  const std::size_t space = text->find(' ');
  if (space == std::string::npos) return 0;
  return std::strtoull(text->c_str() + space, nullptr, 10) * static_cast<std::uint64_t>(::getpagesize());
}

}  // namespace

struct KvmMachine::State : std::enable_shared_from_this<State> {
  State(const asio::any_io_executor& io, MachineSpec machine_spec, Wiring machine_wiring, const Log& to)
      : executor(io),
        spec(std::move(machine_spec)),
        wiring(std::move(machine_wiring)),
        log(to),
        bus(to),
        changed(io),
        grace(io) {}

  Result<void> build();
  Result<void> make();
  Result<void> add_devices();
  Result<std::vector<Vcpu>> make_vcpus();
  Result<void> begin(const LoadedKernel& kernel);
  Result<void> restore();
  Result<MachineState> save();
  void limit_cpu();
  void on_vcpu_end(VcpuEnd why);
  void read_console();
  void finish();
  void abandon();
  // Runs on the control thread, unless the machine is gone by then.
  template <typename F>
  void post(F function) {
    asio::post(executor, [weak = weak_from_this(), function = std::move(function)]() mutable {
      const auto self = weak.lock();
      if (self && !self->exit) function(*self);
    });
  }

  asio::any_io_executor executor;
  MachineSpec spec;
  Wiring wiring;
  const Log& log;

  Bus bus;
  std::unique_ptr<ConsoleBuffer> console;
  std::unique_ptr<Serial> serial;
  std::unique_ptr<I8042> keyboard;
  std::optional<Vm> vm;
  std::unique_ptr<VcpuSet> vcpus;
  std::shared_ptr<LimitedVcpus> limited;
  std::shared_ptr<CpuLimiter> limiter;

  AsyncEvent changed;        // exit
  asio::steady_timer grace;  // until a guest that said goodbye is ended
  bool started = false;
  GuestEnd end;
  std::optional<MachineExit> exit;
};

namespace {

template <typename State>
asio::awaitable<void> end_soon(std::shared_ptr<State> state) {
  if (state->exit) co_return;
  state->grace.expires_after(kGrace);
  asio::error_code ec;
  co_await state->grace.async_wait(asio::redirect_error(asio::use_awaitable, ec));
  if (!ec && !state->exit) state->finish();
}

template <typename State>
asio::awaitable<MachineExit> await_exit(std::shared_ptr<State> state) {
  while (!state->exit) co_await state->changed.wait();
  co_return *state->exit;
}

}  // namespace

Result<void> KvmMachine::State::build() {
  const bool boots = spec.saved_state.empty();
  // The kernel takes about as long to read as the machine takes to make, and the other needs neither.
  Result<LoadedKernel> kernel = Error{ErrorCode::kFailure, "", ""};
  auto set = VcpuSet::start(
      spec.vcpus, bus,
      [this](VcpuEnd why) { post([why = std::move(why)](State& self) { self.on_vcpu_end(why); }); },
      [this, boots, &kernel] {
        if (boots) kernel = load_kernel(spec.kernel, wiring.board->memory(), wiring.protocol);
      });
  if (!set) return set.error();
  vcpus = *std::move(set);
  auto made = make();
  vcpus->wait_until_still();
  if (!made) return made;
  if (!boots) return restore();
  return kernel ? begin(*kernel) : kernel.error();
}

Result<void> KvmMachine::State::make() {
  auto made = wiring.vm.get();
  if (!made) return made.error();
  vm = *std::move(made);
  if (auto added = vm->add_memory(wiring.board->memory()); !added) return added;
  if (auto added = add_devices(); !added) return added;
  auto made_vcpus = make_vcpus();
  if (!made_vcpus) return made_vcpus.error();
  vcpus->take(*std::move(made_vcpus));
  return {};
}

Result<void> KvmMachine::State::add_devices() {
  console = std::make_unique<ConsoleBuffer>([this] { post([](State& self) { self.read_console(); }); });
  auto uart = Serial::create([this](std::uint8_t byte) { console->put(static_cast<char>(byte)); });
  if (!uart) return uart.error();
  serial = *std::move(uart);
  keyboard = std::make_unique<I8042>([this] {
    post([](State& self) { self.on_vcpu_end({VcpuEnd::Cause::kReset, "", ""}); });
  });
  bus.add(layout::kSerialPort, *serial);
  bus.add(layout::kKeyboardPort, *keyboard);
  if (auto done = vm->connect_interrupt(serial->interrupt(), layout::kSerialLine); !done) return done;

  const auto devices = wiring.board->devices();
  TL_CHECK(devices.size() <= layout::kDeviceLines.size());
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const GuestAddr window = layout::device_window(i);
    bus.add(window, *devices[i]);
    if (auto done = vm->connect_interrupt(devices[i]->interrupt(), layout::kDeviceLines.at(i)); !done)
      return done;
    if (const auto doorbell = devices[i]->doorbell()) {
      if (auto done = vm->connect_doorbell(window, *doorbell); !done) return done;
    }
  }
  return {};
}

Result<std::vector<Vcpu>> KvmMachine::State::make_vcpus() {
  const auto supported = vm->supported_cpuid();
  if (!supported) return supported.error();
  std::vector<Vcpu> made;
  for (unsigned i = 0; i < spec.vcpus; ++i) {
    auto vcpu = Vcpu::create(*vm, *supported, {i, spec.vcpus});
    if (!vcpu) return vcpu.error();
    made.push_back(*std::move(vcpu));
  }
  return made;
}

Result<void> KvmMachine::State::begin(const LoadedKernel& kernel) {
  const auto tsc = vcpus->vcpu(0).tsc_khz();
  if (!tsc) return tsc.error();
  const GuestMemory& memory = wiring.board->memory();
  BootInfo info;
  info.command_line = kernel_command_line(spec, wiring.board->devices().size(), *tsc);
  info.initramfs = &spec.initramfs;
  info.vcpus = spec.vcpus;
  if (auto written = write_boot_info(memory, kernel, info); !written) return written;
  spec.initramfs = {};
  return enter_kernel(vcpus->vcpu(0), memory, kernel);
}

// The processors first, because an interrupt controller delivers to them as soon as it has its state; the
// devices last, because they interrupt.
Result<void> KvmMachine::State::restore() {
  const auto state = machine_state_from(spec.saved_state);
  if (!state) return state.error();
  spec.saved_state = {};
  if (state->vcpus.size() != vcpus->size())
    return Error{ErrorCode::kOutOfRange, "the saved state has another number of vCPUs", ""};
  for (std::size_t i = 0; i < vcpus->size(); ++i) {
    Vcpu& vcpu = vcpus->vcpu(i);
    const auto here = vcpu.tsc_khz();
    if (!here) return here.error();
    if (*here != state->tsc_khz) {
      if (auto set = vcpu.set_tsc_khz(state->tsc_khz); !set) return set;
    }
    if (auto restored = vcpu.restore(state->vcpus[i]); !restored) return restored;
  }
  if (auto restored = vm->restore(state->vm); !restored) return restored;
  serial->restore(state->serial);
  if (auto restored = wiring.board->restore(state->board); !restored) return restored;
  // The TSCs run since they were set: a guest compares them with its clock, so the clock has to have come as
  // far.
  const auto tsc = vcpus->vcpu(0).tsc();
  if (!tsc) return tsc.error();
  if (auto set = vm->set_clock(clock_at(*state, *tsc)); !set) return set;
  // Beside all that the control thread has yet to do before anybody needs the guest.
  vcpus->before_entry([this](Vcpu& vcpu) {
    if (wiring.memory_ready) wiring.memory_ready();
    prefault(vcpu, wiring.board->memory(), spec.first_pages);
  });
  return {};
}

Result<MachineState> KvmMachine::State::save() {
  MachineState state;
  for (std::size_t i = 0; i < vcpus->size(); ++i) {
    auto saved = vcpus->vcpu(i).save(*vm);
    if (!saved) return saved.error();
    state.vcpus.push_back(*std::move(saved));
  }
  const auto tsc = vcpus->vcpu(0).tsc_khz();
  if (!tsc) return tsc.error();
  state.tsc_khz = *tsc;
  auto chips = vm->save();
  if (!chips) return chips.error();
  state.vm = *chips;
  const auto at_clock = vcpus->vcpu(0).tsc();
  if (!at_clock) return at_clock.error();
  state.tsc = *at_clock;
  state.serial = serial->save();
  state.board = wiring.board->save();
  return state;
}

void KvmMachine::State::limit_cpu() {
  if (spec.cpu_limit >= spec.vcpus) return;
  limited = std::make_shared<LimitedVcpus>(*vcpus);
  limiter = CpuLimiter::start(executor, limited, spec.cpu_limit, spec.vcpus);
  log.debug("CPU limit {} by {}", spec.cpu_limit, limiter->method_name());
}

void KvmMachine::State::on_vcpu_end(VcpuEnd why) {
  if (!end.vcpu) end.vcpu = std::move(why);
  finish();
}

void KvmMachine::State::read_console() {
  const std::string bytes = console->take();
  if (wiring.console == nullptr) return;
  auto event = wiring.console->consume(bytes);
  if (!event || end.console) return;
  log.info("console: {}", event->line);
  end.console = *std::move(event);
  // Our kernel resets at once, but others only halt.
  asio::co_spawn(executor, end_soon(shared_from_this()), asio::detached);
}

void KvmMachine::State::finish() {
  if (exit) return;
  if (limited) limited->forget();
  if (limiter) limiter->stop();
  if (vcpus) {
    const ExitCounts& exits = vcpus->exits();
    const std::string counts = fmt::format("port I/O {}, MMIO {}, interrupted {}", exits.port_io.load(),
                                           exits.mmio.load(), exits.interrupted.load());
    vcpus.reset();
    log.debug("returns from the guest: {}", counts);
  }
  if (console) read_console();
  if (console && console->lost() > 0) log.info("{} bytes of the console were lost", console->lost());
  exit = explain(end);
  if (end.vcpu && exit->cause == MachineExit::Cause::kBroken)
    log.info("{}\n{}", exit->detail, end.vcpu->registers);
  limiter.reset();
  vm.reset();
  wiring.board.reset();
  grace.cancel();
  changed.notify_all();
}

void KvmMachine::State::abandon() {
  end.kill_requested = true;
  finish();
  wiring.console = nullptr;
}

KvmMachine::KvmMachine(std::shared_ptr<State> state) : state_(std::move(state)) {}

KvmMachine::~KvmMachine() {
  state_->abandon();
}

Result<std::unique_ptr<KvmMachine>> KvmMachine::create(const asio::any_io_executor& executor,
                                                       MachineSpec spec, Wiring wiring, const Log& log) {
  TL_CHECK(spec.vcpus >= 1 && wiring.board != nullptr && wiring.vm.valid());
  auto state = std::make_shared<State>(executor, std::move(spec), std::move(wiring), log);
  if (auto built = state->build(); !built) {
    state->abandon();
    return built.error().within("make a KVM machine");
  }
  return std::unique_ptr<KvmMachine>(new KvmMachine(std::move(state)));
}

asio::awaitable<Result<void>> KvmMachine::start() {
  const auto state = state_;
  TL_CHECK(!state->started && !state->exit);
  state->started = true;
  state->limit_cpu();
  state->vcpus->let_go(VcpuSet::Reason::kNotStarted);
  co_return Result<void>();
}

asio::awaitable<Result<void>> KvmMachine::pause() {
  const auto state = state_;
  if (state->exit) co_return Error{ErrorCode::kFailure, "pause: the machine does not run", ""};
  state->vcpus->hold(VcpuSet::Reason::kPaused);
  state->vcpus->wait_until_still();
  state->wiring.board->pause();
  co_return Result<void>();
}

asio::awaitable<Result<void>> KvmMachine::resume() {
  const auto state = state_;
  if (state->exit) co_return Error{ErrorCode::kFailure, "resume: the machine does not run", ""};
  for (std::size_t i = 0; i < state->vcpus->size(); ++i) state->vcpus->vcpu(i).note_pause();
  state->wiring.board->resume();
  state->vcpus->let_go(VcpuSet::Reason::kPaused);
  co_return Result<void>();
}

asio::awaitable<Result<std::vector<std::byte>>> KvmMachine::save() {
  const auto state = state_;
  if (state->exit) co_return Error{ErrorCode::kFailure, "save: the machine does not run", ""};
  const auto saved = state->save();
  if (!saved) co_return saved.error().within("save the machine");
  co_return to_bytes(*saved);
}

Result<void> KvmMachine::note_writes() {
  if (state_->exit) return Error{ErrorCode::kFailure, "note writes: the machine does not run", ""};
  return state_->vm->note_writes(state_->wiring.board->memory(), true);
}

Result<std::vector<std::uint64_t>> KvmMachine::noted_writes() {
  if (state_->exit) return Error{ErrorCode::kFailure, "note writes: the machine does not run", ""};
  const GuestMemory& memory = state_->wiring.board->memory();
  auto pages = state_->vm->written_pages(memory);
  const auto ended = state_->vm->note_writes(memory, false);
  if (!ended) return ended.error();
  return pages;
}

asio::awaitable<MachineExit> KvmMachine::wait() {
  return await_exit(state_);
}

void KvmMachine::kill() {
  if (!state_->started || state_->exit) return;
  state_->end.kill_requested = true;
  state_->finish();
}

std::uint64_t KvmMachine::memory_used_bytes() const {
  return state_->exit ? 0 : resident_bytes();
}

}  // namespace tl::machine::kvm
