// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "common/guest_memory.hpp"
#include "common/log.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/machine/console_monitor.hpp"
#include "runtime/machine/kvm/vm.hpp"
#include "runtime/machine/machine.hpp"
#include "runtime/monitor/forked_writer.hpp"
#include "runtime/monitor/template_details.hpp"
#include "runtime/network/gateway.hpp"
#include "runtime/registry/record.hpp"
#include "runtime/snapshot/machine_state.hpp"
#include "runtime/snapshot/memory_image.hpp"
#include "runtime/snapshot/ram_pages.hpp"
#include "runtime/storage/layered_disk.hpp"
#include "runtime/storage/nbd_server.hpp"

namespace tl::monitor {

// The one place where machine, disk, network and agent link of a sandbox meet. Owns them and takes them down
// in the right order: machine, network, disk server, disk.
class Assembly {
 public:
  struct Plan {
    registry::SandboxRecord record;  // resources, accelerator
    storage::DiskBase image;         // under the disk
    std::filesystem::path kernel;
    std::filesystem::path work_folder;  // absolute; has the disk and the console log, made if need be
    UniqueFd work;                      // the same folder, open
    // The machine that was saved in the work folder goes on, instead of one that boots.
    enum class Begin { kBoot, kRestore } begin = Begin::kBoot;
    std::string cpu;  // AcceleratorChoice::fingerprint, which a saved machine must meet again
    std::future<Result<machine::kvm::Vm>> vm;  // of a kvm machine, from Vm::begin()
    Result<network::Gateway::Beginning> network = Error{ErrorCode::kFailure, "there is no network", ""};
    TemplateDetails details;  // of a machine that goes on from a template
  };

  // Makes everything and starts nothing. `log` outlives the assembly. kHostLacks for a saved machine that
  // does not fit here, which stays saved.
  static Result<std::unique_ptr<Assembly>> build(const asio::any_io_executor& executor, Plan plan,
                                                 const Log& log);
  ~Assembly();

  // Lets the guest run. What was saved of it is gone from then on, but for its memory as a base for the next
  // save. After an error it may be gone, too.
  asio::awaitable<Result<void>> start();
  [[nodiscard]] machine::Machine& machine() { return *machine_; }
  [[nodiscard]] const machine::ConsoleMonitor& console() const { return *console_; }
  // Our end of the agent link; once.
  [[nodiscard]] UniqueFd take_agent_link() { return std::move(agent_link_); }
  // The sandbox is kept from now on (LayeredDisk::start_syncing).
  void start_syncing() { disk_->start_syncing(); }
  [[nodiscard]] std::uint64_t disk_used_bytes() const { return disk_->held_bytes(); }
  [[nodiscard]] unsigned disk_layers() const { return disk_->layer_count(); }

  // Until the network's rules hold: the record's, or those set last.
  asio::awaitable<Result<void>> network_ready() { return network_->wait_ready(); }
  asio::awaitable<Result<void>> set_network_policy(registry::NetworkPolicy policy);

  // What a restored machine has had of its saved memory until now. kHostLacks when its memory is not this
  // process's.
  Result<snapshot::PageSet> touched_pages();

  // What follows is for a paused machine.

  // The machine into the work folder, its disk flushed: after that nothing is needed of this process.
  asio::awaitable<Result<void>> save(Durability durability);
  // Before a machine that was saved into the work folder runs on, or one whose save failed.
  Result<void> forget_saved();
  // The machine into the folder of a snapshot or template. Its memory is only there when the writer has
  // finished; it may run on meanwhile. Nothing to wait for where there is no writer.
  asio::awaitable<Result<std::optional<ForkedWriter>>> save_aside(std::filesystem::path folder,
                                                                  Durability durability);
  // Beside it, after that, the machine's process, where it has one: what is started from there goes on
  // sooner.
  asio::awaitable<Result<void>> keep_process(std::filesystem::path folder);
  // What the disk is now, for export_disk().
  Result<void> freeze_disk();

  // Also while the machine runs: the frozen disk into a folder; and one layer out of many, which stops the
  // machine only to take their place.
  Result<void> export_disk(const std::filesystem::path& to) { return disk_->export_frozen(to); }
  asio::awaitable<Result<void>> flatten_disk(asio::any_io_executor executor);

 private:
  Assembly(Plan plan, const Log& log) : plan_(std::move(plan)), log_(log) {}
  [[nodiscard]] bool is_kvm() const;
  [[nodiscard]] std::uint64_t memory_bytes() const;
  [[nodiscard]] std::filesystem::path machine_folder() const;
  [[nodiscard]] snapshot::Fingerprint fingerprint() const;
  Result<void> open_disk();
  Result<void> load_saved(machine::MachineSpec& spec);
  Result<void> make_memory(machine::MachineSpec& spec);
  Result<void> map_memory(machine::MachineSpec& spec);
  Result<void> fill_memory_file();
  // Our view of the guest's memory, whose machine's it may be.
  Result<std::span<const std::byte>> memory_view();
  enum class Pages { kChanged, kAll };
  Result<snapshot::RamPages> pages(Pages which);
  Result<void> write_memory(const std::filesystem::path& folder, Pages which, Durability durability);
  Result<void> add_kvm_machine(const asio::any_io_executor& executor, machine::MachineSpec spec,
                               UniqueFd agent, UniqueFd network, const Log& log);
  Result<void> add_tcg_machine(const asio::any_io_executor& executor, machine::MachineSpec spec,
                               UniqueFd agent, UniqueFd network, const Log& log);

  Plan plan_;
  const Log& log_;
  // In the order of making; the reverse is the order of taking down.
  std::unique_ptr<storage::LayeredDisk> disk_;
  bool had_disk_ = false;                            // before: it may have more of its past
  std::unique_ptr<storage::NbdServer> disk_server_;  // for a machine that is not in this process
  std::optional<GuestMemory> memory_;                // of a machine that is in this process,
  UniqueFd memory_file_;                             // or in another one,
  std::span<const std::byte> memory_file_view_;      // and our view of it
  std::optional<snapshot::MemoryImage> restored_;    // until it is in place
  std::future<Result<void>> filling_;
  std::future<void> copying_;  // of pages that a restored guest writes to first
  std::unique_ptr<machine::ConsoleMonitor> console_;
  UniqueFd agent_link_;
  std::unique_ptr<network::Gateway> network_;
  std::unique_ptr<machine::Machine> machine_;
};

}  // namespace tl::monitor
