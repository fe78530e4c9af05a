// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <vector>

#include "common/io.hpp"
#include "common/log.hpp"
#include "runtime/machine/tcg/tcg_machine.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/machine/guest_init.hpp"
#include "tests/unit/machine/support.hpp"

namespace tl::machine::test {

inline constexpr std::uint32_t kMemoryMib = 128;

// A copy that has memory only where the original has.
inline UniqueFd copy_of(int memory) {
  constexpr off_t kSize = off_t{kMemoryMib} << 20;
  UniqueFd copy = *make_guest_memory_file(kSize);
  std::vector<std::byte> chunk;
  for (off_t begin = ::lseek(memory, 0, SEEK_DATA); begin >= 0 && begin < kSize;) {
    const off_t end = ::lseek(memory, begin, SEEK_HOLE);
    chunk.resize(static_cast<std::size_t>(end - begin));
    REQUIRE(pread_exact(memory, chunk, static_cast<std::uint64_t>(begin)));
    REQUIRE(pwrite_all(copy.get(), chunk, static_cast<std::uint64_t>(begin)));
    begin = ::lseek(memory, end, SEEK_DATA);
  }
  return copy;
}

struct Saved {
  std::vector<std::byte> state;
  UniqueFd memory;
};

struct Options {
  char command = 'c';  // of a booted guest's init, see guest_init.hpp
  unsigned vcpus = 1;
  bool has_agent = true;
  UniqueFd disk;
  std::function<asio::awaitable<Result<void>>()> memory_ready;
  std::filesystem::path process_image;  // of the saved one
};

// A small guest that can be saved, and its machine. By default it counts.
struct SavingGuest {
  SavingGuest() = default;
  SavingGuest(const SavingGuest&) = delete;
  SavingGuest& operator=(const SavingGuest&) = delete;
  ~SavingGuest() {
    if (std::uncaught_exceptions()) std::cerr << console.tail() << '\n';
  }

  void boot(const std::string& kernel, Options options = {}) {
    MachineSpec spec;
    spec.kernel = kernel;
    spec.initramfs = initramfs_with_init(options.command);
    make(std::move(spec), *make_guest_memory_file(std::uint64_t{kMemoryMib} << 20), std::move(options));
    REQUIRE(run(context, machine->start()));
  }
  // Takes a copy of the memory.
  Result<void> go_on(const Saved& saved, Options options = {}) {
    MachineSpec spec;
    spec.saved_state = saved.state;
    spec.process_image = options.process_image;
    make(std::move(spec), copy_of(saved.memory.get()), std::move(options));
    return run(context, machine->start());
  }
  void make(MachineSpec spec, UniqueFd guest_memory, Options options) {
    spec.vcpus = options.vcpus;
    spec.cpu_limit = options.vcpus;
    spec.memory_mib = kMemoryMib;
    memory = *duplicate(guest_memory);
    TcgWiring wiring;
    wiring.memory = std::move(guest_memory);
    wiring.memory_ready = std::move(options.memory_ready);
    wiring.disk = std::move(options.disk);
    wiring.console = &console;
    auto ends = stream_socket_pair();
    agent = std::move(ends->first);
    if (options.has_agent) wiring.agent = std::move(ends->second);
    machine = *TcgMachine::create(context.get_executor(), std::move(spec), std::move(wiring), log);
  }

  // Asks the guest, and waits for what it answers.
  Count ask() {
    REQUIRE(::send(agent.get(), "x", 1, MSG_NOSIGNAL) == 1);
    return answer();
  }
  Count answer() {
    Count count;
    std::size_t got = 0;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (got < sizeof count && std::chrono::steady_clock::now() < deadline) {
      const ssize_t n =
          ::recv(agent.get(), reinterpret_cast<char*>(&count) + got, sizeof count - got, MSG_DONTWAIT);
      if (n > 0) got += static_cast<std::size_t>(n);
      context.restart();
      context.run_for(std::chrono::milliseconds(2));
    }
    REQUIRE(got == sizeof count);
    return count;
  }
  Saved save() {
    REQUIRE(run(context, machine->pause()));
    auto state = run(context, machine->save());
    REQUIRE(state);
    return {*std::move(state), copy_of(memory.get())};
  }
  MachineExit kill() {
    machine->kill();
    return run(context, machine->wait());
  }

  asio::io_context context;
  ConsoleMonitor console;
  Log log{STDERR_FILENO};
  UniqueFd memory;
  UniqueFd agent;
  std::unique_ptr<TcgMachine> machine;
};

}  // namespace tl::machine::test
