// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <asio/any_io_executor.hpp>

#include "common/log.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/machine/console_monitor.hpp"
#include "runtime/machine/machine.hpp"

namespace tl::machine {

// What the machine is connected to. The descriptors become QEMU's: they are closed here when it has been
// started.
struct TcgWiring {
  UniqueFd disk;   // connected stream socket to an NBD server that serves the export ""; optional
  UniqueFd agent;  // connected stream socket: the other side of the virtio-serial port "tl.agent"; optional
  ConsoleMonitor* console = nullptr;  // fed with the serial console; outlives the machine
};

// A QEMU child under software emulation (-M microvm -accel tcg), controlled over QMP. The child dies with the
// thread that called start(), is in a process group of its own, and has no descriptors but the ones named
// above.
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
