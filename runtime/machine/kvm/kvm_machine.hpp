// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <vector>

#include <asio/any_io_executor.hpp>

#include "common/log.hpp"
#include "runtime/machine/kvm/board.hpp"
#include "runtime/machine/kvm/boot/kernel.hpp"
#include "runtime/machine/kvm/vm.hpp"
#include "runtime/machine/machine.hpp"

namespace tl::machine {

class ConsoleMonitor;

namespace kvm {

struct Wiring {
  std::unique_ptr<Board> board;
  ConsoleMonitor* console = nullptr;  // outlives the machine; may be absent
  BootProtocol protocol = BootProtocol::kLinux64;
  std::future<Result<Vm>> vm;  // from Vm::begin()
  // For a saved machine whose memory is still being made ready: returns when it is. Called once, by a vCPU's
  // thread, before the guest runs; may be absent.
  std::function<void()> memory_ready;
};

// A guest on /dev/kvm in this process. A thread for each vCPU; everything else happens on the control thread
// or on the board's own threads.
class KvmMachine final : public Machine {
 public:
  // kHostLacks when KVM is missing or refuses. `log` outlives the machine.
  static Result<std::unique_ptr<KvmMachine>> create(const asio::any_io_executor& executor, MachineSpec spec,
                                                    Wiring wiring, const Log& log);
  ~KvmMachine() override;

  asio::awaitable<Result<void>> start() override;
  asio::awaitable<Result<void>> pause() override;
  asio::awaitable<Result<void>> resume() override;
  asio::awaitable<Result<std::vector<std::byte>>> save() override;
  Result<void> note_writes() override;
  Result<std::vector<std::uint64_t>> noted_writes() override;
  asio::awaitable<MachineExit> wait() override;
  void kill() override;
  [[nodiscard]] std::uint64_t memory_used_bytes() const override;

 private:
  struct State;
  explicit KvmMachine(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace kvm
}  // namespace tl::machine
