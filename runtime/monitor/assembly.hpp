// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include <asio/any_io_executor.hpp>

#include "common/guest_memory.hpp"
#include "common/log.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/machine/console_monitor.hpp"
#include "runtime/machine/machine.hpp"
#include "runtime/registry/record.hpp"
#include "runtime/storage/layered_disk.hpp"
#include "runtime/storage/nbd_server.hpp"

namespace tl::monitor {

// The one place where machine, disk and agent link of a sandbox meet. Owns them and takes them down in the
// right order: machine, disk server, disk.
class Assembly {
 public:
  struct Plan {
    registry::SandboxRecord record;  // resources, accelerator
    storage::DiskBase image;         // under the disk
    std::filesystem::path kernel;
    std::filesystem::path work_folder;  // absolute; the disk and the console log are made in it
    int work_fd = -1;                   // the same folder, open; borrowed during build()
  };

  // Makes everything and starts nothing. `log` outlives the assembly.
  static Result<std::unique_ptr<Assembly>> build(const asio::any_io_executor& executor, const Plan& plan,
                                                 const Log& log);

  [[nodiscard]] machine::Machine& machine() { return *machine_; }
  [[nodiscard]] const machine::ConsoleMonitor& console() const { return *console_; }
  // Our end of the agent link; once.
  [[nodiscard]] UniqueFd take_agent_link() { return std::move(agent_link_); }
  // The sandbox is kept from now on (LayeredDisk::start_syncing).
  void start_syncing() { disk_->start_syncing(); }
  [[nodiscard]] std::uint64_t disk_used_bytes() const { return disk_->held_bytes(); }

 private:
  Assembly() = default;
  Result<void> add_kvm_machine(const asio::any_io_executor& executor, machine::MachineSpec spec,
                               UniqueFd agent, const Log& log);
  Result<void> add_tcg_machine(const asio::any_io_executor& executor, machine::MachineSpec spec,
                               UniqueFd agent, const Log& log);

  // In the order of making; the reverse is the order of taking down.
  std::unique_ptr<storage::LayeredDisk> disk_;
  std::unique_ptr<storage::NbdServer> disk_server_;  // for a machine that is not in this process
  std::optional<GuestMemory> memory_;                // of a machine that is in this process
  std::unique_ptr<machine::ConsoleMonitor> console_;
  UniqueFd agent_link_;
  std::unique_ptr<machine::Machine> machine_;
};

}  // namespace tl::monitor
