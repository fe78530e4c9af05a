// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>

#include "common/log.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/machine/console_monitor.hpp"
#include "runtime/machine/machine.hpp"

namespace tl::machine {

// What the machine is connected to. The descriptors become QEMU's: they are closed here when it has been
// started, and the memory when it has ended.
struct TcgWiring {
  UniqueFd
      memory;  // make_guest_memory_file() of exactly memory_mib: the guest's memory, which QEMU maps shared
  UniqueFd disk;     // connected stream socket to an NBD server that serves the export ""; optional
  UniqueFd agent;    // connected stream socket: the other side of the virtio-serial port "tl.agent"; optional
  UniqueFd network;  // connected SOCK_SEQPACKET socket, a message is an Ethernet frame; optional
  ConsoleMonitor* console = nullptr;  // fed with the serial console; outlives the machine
  // For a saved machine: awaited while it is started, before it goes on, so that the memory can be filled
  // while QEMU starts. An error is start()'s. Optional: the memory is as it was saved.
  std::function<asio::awaitable<Result<void>>()> memory_ready;
};

// A QEMU child under software emulation (-M microvm -accel tcg), controlled over QMP. The child dies with the
// thread that called start(), is in a process group of its own, and has no descriptors but the ones named
// above.
//
// A saved machine is the state from save() and the memory as it was then. It goes on with the vCPUs, the
// memory size and the devices of the one that was saved, in the same version of QEMU (qemu_fingerprint()).
// start() returns when the guest runs again, and fails with kFailure when QEMU cannot load the state. With
// the process that was kept, the disk's server is not negotiated with: it goes on as the one before.
class TcgMachine final : public Machine {
 public:
  // The program that is run when `qemu` is not given.
  static constexpr const char* kQemu = "qemu-system-x86_64";

  // kHostLacks when there is no QEMU. `log` outlives the machine.
  static Result<std::unique_ptr<TcgMachine>> create(const asio::any_io_executor& executor, MachineSpec spec,
                                                    TcgWiring wiring, const Log& log,
                                                    const std::string& qemu = kQemu);
  ~TcgMachine() override;

  asio::awaitable<Result<void>> start() override;
  asio::awaitable<Result<void>> pause() override;
  asio::awaitable<Result<void>> resume() override;
  // The same bytes until resume(). After an error the machine is still paused, and resume() works.
  asio::awaitable<Result<std::vector<std::byte>>> save() override;
  asio::awaitable<Result<void>> keep_process(std::filesystem::path file) override;
  asio::awaitable<MachineExit> wait() override;
  void kill() override;
  [[nodiscard]] std::uint64_t memory_used_bytes() const override;

  // QEMU's process; -1 before start().
  [[nodiscard]] int pid() const;

 private:
  struct State;
  explicit TcgMachine(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace tl::machine
