// SPDX-License-Identifier: Apache-2.0
// A real QEMU with a real kernel: TL_TEST_KERNEL names a vmlinux. Skipped without, and without QEMU.
#include "runtime/machine/tcg/tcg_machine.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <string>

#include <fmt/format.h>

#include "common/io.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/machine/guest_init.hpp"
#include "tests/unit/machine/support.hpp"

using namespace tl;
using namespace tl::machine;
using Cause = MachineExit::Cause;

namespace {

struct Guest {
  // `command`: what the guest's init does, see guest_init.hpp.
  Guest(const std::string& kernel, char command, const std::string& extra = "") {
    MachineSpec spec;
    spec.kernel = kernel;
    spec.initramfs = test::initramfs_with_init(command);
    spec.command_line = extra;
    TcgWiring wiring;
    auto ends = stream_socket_pair();
    agent = std::move(ends->first);
    wiring.memory = test::guest_memory(spec);
    wiring.agent = std::move(ends->second);
    wiring.console = &console;
    auto made = TcgMachine::create(context.get_executor(), std::move(spec), std::move(wiring), log);
    REQUIRE(made);
    machine = std::move(*made);
    REQUIRE(test::run(context, machine->start()));
  }
  ~Guest() {
    if (!std::uncaught_exceptions()) return;
    std::cerr << console.tail() << '\n';
  }

  MachineExit wait() { return test::run(context, machine->wait()); }
  // Until the guest's init has spoken, or the machine has ended.
  void wait_for_init() {
    for (int i = 0; i < 3000 && console.tail().find("TL-TEST-INIT") == std::string_view::npos; ++i) {
      context.restart();
      context.run_for(std::chrono::milliseconds(20));
    }
    REQUIRE(console.tail().find("TL-TEST-INIT") != std::string_view::npos);
  }

  asio::io_context context;
  ConsoleMonitor console;
  Log log{STDERR_FILENO};
  UniqueFd agent;
  std::unique_ptr<TcgMachine> machine;
};

}  // namespace

TEST_CASE("a guest boots and switches itself off") {
  const auto path = test::tcg_test_kernel();
  if (!path) return;
  Guest guest(*path, 'p');
  const MachineExit exit = guest.wait();
  CHECK(exit.cause == Cause::kPowerOff);
  CHECK(guest.console.tail().find("TL-TEST-INIT") != std::string_view::npos);
}

TEST_CASE("a guest that is held says nothing, and goes on where it was") {
  const auto path = test::tcg_test_kernel();
  if (!path) return;
  Guest guest(*path, 'n');
  const auto wait_for = [&](std::string_view number) {
    for (int i = 0; i < 3000 && guest.console.tail().find(number) == std::string_view::npos; ++i) {
      guest.context.restart();
      guest.context.run_for(std::chrono::milliseconds(20));
    }
    REQUIRE(guest.console.tail().find(number) != std::string_view::npos);
  };
  wait_for("n00000012");
  REQUIRE(test::run(guest.context, guest.machine->pause()));
  guest.context.restart();
  guest.context.run_for(std::chrono::milliseconds(50));  // what it had said until then
  const std::string said(guest.console.tail());
  guest.context.restart();
  guest.context.run_for(std::chrono::milliseconds(200));
  CHECK(guest.console.tail() == said);
  REQUIRE(test::run(guest.context, guest.machine->resume()));
  const std::size_t last = said.rfind("\nn");
  REQUIRE(last != std::string::npos);
  wait_for(fmt::format("n{:08}", std::stoul(said.substr(last + 2, 8)) + 20));
}

TEST_CASE("a guest that reboots is a reset") {
  const auto path = test::tcg_test_kernel();
  if (!path) return;
  Guest guest(*path, 'r');
  CHECK(guest.wait().cause == Cause::kReset);
}

TEST_CASE("a guest without init panics, and the panic's line is told") {
  const auto path = test::tcg_test_kernel();
  if (!path) return;
  Guest guest(*path, 'p', "rdinit=/nonexistent init=/nonexistent");
  const MachineExit exit = guest.wait();
  CHECK(exit.cause == Cause::kPanic);
  CHECK(exit.detail.find("Kernel panic - not syncing") != std::string::npos);
}

TEST_CASE("a running guest can be paused, resumed, and measured") {
  const auto path = test::tcg_test_kernel();
  if (!path) return;
  Guest guest(*path, 's');
  guest.wait_for_init();
  CHECK(guest.machine->memory_used_bytes() > (32U << 20));
  REQUIRE(test::run(guest.context, guest.machine->pause()));
  REQUIRE(test::run(guest.context, guest.machine->resume()));
  guest.machine->kill();
  CHECK(guest.wait().cause == Cause::kKilled);
}

TEST_CASE("the agent port carries bytes both ways") {
  const auto path = test::tcg_test_kernel();
  if (!path) return;
  Guest guest(*path, 'e');
  guest.wait_for_init();
  std::string sent(100'000, '\0');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7 + i / 256);
  std::string got;
  std::size_t written = 0;
  for (int i = 0; i < 3000 && got.size() < sent.size(); ++i) {
    const ssize_t out = ::send(guest.agent.get(), sent.data() + written, sent.size() - written, MSG_DONTWAIT);
    if (out > 0) written += static_cast<std::size_t>(out);
    char chunk[4096];
    ssize_t in = 0;
    while ((in = ::recv(guest.agent.get(), chunk, sizeof chunk, MSG_DONTWAIT)) > 0) {
      got.append(chunk, static_cast<std::size_t>(in));
    }
    guest.context.restart();
    guest.context.run_for(std::chrono::milliseconds(10));
  }
  CHECK(got == sent);
  // The machine's end is the link's end.
  guest.machine->kill();
  guest.wait();
  char byte = 0;
  CHECK(::recv(guest.agent.get(), &byte, 1, 0) == 0);
}

TEST_CASE("a QEMU killed from outside is told as that") {
  const auto path = test::tcg_test_kernel();
  if (!path) return;
  Guest guest(*path, 's');
  guest.wait_for_init();
  ::kill(guest.machine->pid(), SIGKILL);
  const MachineExit exit = guest.wait();
  CHECK(exit.cause == Cause::kBroken);
  CHECK(exit.detail.find("QEMU was killed by signal 9") == 0);
}

TEST_CASE("a QEMU that is asked to end from outside says so") {
  const auto path = test::tcg_test_kernel();
  if (!path) return;
  Guest guest(*path, 's');
  guest.wait_for_init();
  ::kill(guest.machine->pid(), SIGTERM);
  const MachineExit exit = guest.wait();
  CHECK(exit.cause == Cause::kBroken);
  CHECK(exit.detail.find("host-signal") != std::string::npos);
}

TEST_CASE("a kernel that is not one is QEMU's complaint") {
  const auto path = test::tcg_test_kernel();
  if (!path) return;
  Guest guest("/dev/null", 's');
  const MachineExit exit = guest.wait();
  CHECK(exit.cause == Cause::kBroken);
  CHECK(exit.detail.find("QEMU exited with status 1: ") == 0);
}
