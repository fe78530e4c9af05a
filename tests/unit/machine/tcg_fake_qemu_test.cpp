// SPDX-License-Identifier: Apache-2.0
// The tcg machine around a shell script in the place of QEMU, which does what a real one does rarely.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <thread>
#include <vector>

#include "common/io.hpp"
#include "runtime/machine/tcg/tcg_machine.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/machine/support.hpp"

using namespace tl;
using namespace tl::machine;
using Cause = MachineExit::Cause;

namespace {

constexpr const char* kGreet = "printf '{\"QMP\": {}}\\n{\"return\": {}, \"id\": 0}\\n' >&3\n";

struct FakeQemu {
  explicit FakeQemu(const std::string& script) {
    const auto path = folder.path / "qemu";
    std::ofstream(path) << "#!/bin/sh\n" << script << '\n';
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    program = path.string();
  }

  std::unique_ptr<TcgMachine> make(MachineSpec spec = {}, TcgWiring wiring = {}) {
    spec.initramfs.file = test::memory_file();
    wiring.console = &console;
    if (!wiring.memory) wiring.memory = test::guest_memory(spec);
    auto made = TcgMachine::create(context.get_executor(), std::move(spec), std::move(wiring), log, program);
    REQUIRE(made);
    return std::move(*made);
  }
  MachineExit run_to_end(TcgMachine& machine) {
    REQUIRE(test::run(context, machine.start()));
    return test::run(context, machine.wait());
  }

  test::TempFolder folder;
  std::string program;
  asio::io_context context;
  ConsoleMonitor console;
  Log log{-1};
};

bool is_alive(pid_t pid) {
  return ::kill(pid, 0) == 0;
}

}  // namespace

TEST_CASE("a QEMU that is not installed is what the host lacks, with the cure") {
  asio::io_context context;
  const Log log(-1);
  MachineSpec spec;
  spec.initramfs.file = test::memory_file();
  const auto made = TcgMachine::create(context.get_executor(), std::move(spec), {}, log, "tl-no-such-qemu");
  REQUIRE_FALSE(made);
  CHECK(made.error().code == ErrorCode::kHostLacks);
  CHECK(made.error().hint == "apt-get install qemu-system-x86");
}

TEST_CASE("a QEMU that refuses its options is quoted") {
  FakeQemu qemu(
      "echo 'qemu: warning: something' >&2; echo 'qemu: -accel tcg: invalid accelerator' >&2; exit 1");
  const auto machine = qemu.make();
  const MachineExit exit = qemu.run_to_end(*machine);
  CHECK(exit.cause == Cause::kBroken);
  CHECK(exit.detail == "QEMU exited with status 1: qemu: -accel tcg: invalid accelerator");
}

TEST_CASE("a QEMU that cannot be executed fails the start") {
  FakeQemu qemu("");
  std::ofstream(qemu.program) << "#!/no/such/interpreter\n";
  const auto machine = qemu.make();
  const auto started = test::run(qemu.context, machine->start());
  REQUIRE_FALSE(started);
  CHECK(started.error().message.find("start QEMU") == 0);
}

TEST_CASE("a memory file of another size than the guest fails the start") {
  FakeQemu qemu("exec sleep 1000");
  TcgWiring wiring;
  wiring.memory = *make_guest_memory_file(1 << 20);
  const auto machine = qemu.make({}, std::move(wiring));
  const auto started = test::run(qemu.context, machine->start());
  REQUIRE_FALSE(started);
  CHECK(started.error().message == "start QEMU: the guest's memory has another size than its file");
  CHECK(machine->pid() == -1);
}

TEST_CASE("a QEMU that somebody kills is told with the signal") {
  FakeQemu qemu("kill -9 $$");
  const auto machine = qemu.make();
  const MachineExit exit = qemu.run_to_end(*machine);
  CHECK(exit.cause == Cause::kBroken);
  CHECK(exit.detail.find("QEMU was killed by signal 9") == 0);
}

TEST_CASE("a flood on stderr is bounded and its end is quoted") {
  FakeQemu qemu(
      "i=0; while [ $i -lt 20000 ]; do echo 'a long line of noise that says nothing' >&2; i=$((i+1)); done; "
      "echo 'the reason' >&2; exit 3");
  const auto machine = qemu.make();
  CHECK(qemu.run_to_end(*machine).detail == "QEMU exited with status 3: the reason");
}

TEST_CASE("the reason that QEMU gives before it ends is taken, though it comes with the end") {
  FakeQemu qemu(std::string(kGreet) +
                "printf '{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": \"guest-reset\"}}\\n' >&3");
  const auto machine = qemu.make();
  CHECK(qemu.run_to_end(*machine).cause == Cause::kReset);
}

TEST_CASE("a guest that halts its processor is ended though QEMU goes on") {
  FakeQemu qemu(std::string(kGreet) + "printf 'reboot: System halted\\r\\n' >&4; exec sleep 1000");
  const auto machine = qemu.make();
  CHECK(qemu.run_to_end(*machine).cause == Cause::kPowerOff);
  CHECK_FALSE(is_alive(machine->pid()));
}

TEST_CASE("a guest that stays in its panic is ended, with the line told") {
  FakeQemu qemu(std::string(kGreet) + "printf 'Kernel panic - not syncing: x\\r\\n' >&4; exec sleep 1000");
  const auto machine = qemu.make();
  const MachineExit exit = qemu.run_to_end(*machine);
  CHECK(exit.cause == Cause::kPanic);
  CHECK(exit.detail.find("Kernel panic - not syncing: x") != std::string::npos);
  CHECK(qemu.console.tail() == "Kernel panic - not syncing: x\r\n");
}

TEST_CASE("a control connection that speaks garbage breaks the machine and leaves no QEMU") {
  FakeQemu qemu("echo garbage >&3; exec sleep 1000");
  const auto machine = qemu.make();
  CHECK(qemu.run_to_end(*machine).cause == Cause::kBroken);
  CHECK_FALSE(is_alive(machine->pid()));
}

TEST_CASE("kill ends the machine once and for all its waiters") {
  FakeQemu qemu("exec sleep 1000");
  const auto machine = qemu.make();
  machine->kill();  // before the start: nothing
  REQUIRE(test::run(qemu.context, machine->start()));
  std::vector<test::Later<MachineExit>> waiters;
  waiters.reserve(3);
  for (int i = 0; i < 3; ++i) waiters.push_back(test::begin(qemu.context, machine->wait()));
  CHECK(machine->memory_used_bytes() > 0);
  machine->kill();
  machine->kill();
  CHECK(test::run(qemu.context, machine->wait()).cause == Cause::kKilled);
  qemu.context.poll();
  for (const auto& told : waiters) {
    REQUIRE(told->has_value());
    CHECK((*told)->cause == Cause::kKilled);
  }
  CHECK(machine->memory_used_bytes() == 0);
  machine->kill();
  CHECK(test::run(qemu.context, machine->wait()).cause == Cause::kKilled);
  CHECK_FALSE(test::run(qemu.context, machine->pause()));
}

TEST_CASE("destroying a machine ends its QEMU and tells those who wait") {
  FakeQemu qemu("echo noise >&2; exec sleep 1000");
  auto machine = qemu.make();
  REQUIRE(test::run(qemu.context, machine->start()));
  const pid_t pid = machine->pid();
  const auto told = test::begin(qemu.context, machine->wait());
  qemu.context.poll();
  machine.reset();
  CHECK_FALSE(is_alive(pid));
  qemu.context.restart();
  qemu.context.run();
  REQUIRE(told->has_value());
  CHECK((*told)->cause == Cause::kKilled);
}

TEST_CASE("QEMU inherits what is named and nothing else, and the other side sees its end") {
  auto agent = stream_socket_pair();
  auto stray = stream_socket_pair();             // close-on-exec, as all of ours are
  const int leaked = ::dup(stray->first.get());  // and one that is not
  FakeQemu qemu("ls /proc/self/fd | tr '\\n' ' ' >&7; sleep 0.1");
  TcgWiring wiring;
  wiring.agent = std::move(agent->second);
  const auto machine = qemu.make({}, std::move(wiring));
  qemu.run_to_end(*machine);
  ::close(leaked);
  const auto listed = read_to_end(agent->first.get(), 4096);  // to the end: nobody else holds it open
  REQUIRE(listed);
  // `ls` itself has the directory open at the lowest free number, the disk's.
  CHECK(*listed == "0 1 2 3 4 5 6 7 8 ");
}

TEST_CASE("QEMU is in a process group of its own") {
  FakeQemu qemu("exec sleep 1000");
  const auto machine = qemu.make();
  REQUIRE(test::run(qemu.context, machine->start()));
  CHECK(::getpgid(machine->pid()) == machine->pid());
}

TEST_CASE("a process that is killed leaves no QEMU behind") {
  FakeQemu qemu("exec sleep 1000");
  auto report = stream_socket_pair();
  const pid_t monitor = ::fork();
  if (monitor == 0) {
    asio::io_context context;
    MachineSpec spec;
    spec.initramfs.file = test::memory_file();
    TcgWiring wiring;
    wiring.memory = test::guest_memory(spec);
    auto machine = TcgMachine::create(context.get_executor(), std::move(spec), std::move(wiring), qemu.log,
                                      qemu.program);
    [[maybe_unused]] const auto started = test::run(context, (*machine)->start());
    const pid_t pid = (*machine)->pid();
    [[maybe_unused]] const auto ignored = write_all(report->second.get(), std::as_bytes(std::span(&pid, 1)));
    for (;;) ::pause();
  }
  pid_t pid = 0;
  REQUIRE(read_exact(report->first.get(), std::as_writable_bytes(std::span(&pid, 1))));
  REQUIRE(is_alive(pid));
  ::kill(monitor, SIGKILL);
  ::waitpid(monitor, nullptr, 0);
  // It is nobody's child now: wait until init has reaped it, or until it is seen as a zombie.
  const auto gone = [&] {
    const auto status = read_file(AT_FDCWD, "/proc/" + std::to_string(pid) + "/status", 8192);
    return !status || status->find("State:\tZ") != std::string::npos;
  };
  for (int i = 0; i < 500 && !gone(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(gone());
}
