// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/assembly.hpp"

#include <sys/mman.h>

#include <cmath>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/guest_memory_file.hpp"
#include "common/io.hpp"
#include "runtime/guest/initramfs.hpp"
#include "runtime/machine/kvm/kvm_machine.hpp"
#include "runtime/machine/tcg/tcg_machine.hpp"
#include "runtime/monitor/virtio_board.hpp"
#include "runtime/network/plan.hpp"
#include "runtime/registry/paths.hpp"

namespace tl::monitor {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

machine::MachineSpec machine_spec(const Assembly::Plan& plan) {
  machine::MachineSpec spec;
  spec.vcpus = static_cast<unsigned>(std::ceil(plan.record.resources.cpus));
  spec.cpu_limit = plan.record.resources.cpus;
  spec.memory_mib = plan.record.resources.memory_mb;
  spec.kernel = plan.kernel;
  spec.mac = fmt::format("{:02x}", fmt::join(network::mac_of(plan.record.sandbox_id), ":"));
  spec.mtu = network::kMtu;
  return spec;
}

network::Rules rules_of(const registry::NetworkPolicy& policy) {
  return {policy.no_internet, policy.allow, policy.deny};
}

}  // namespace

Assembly::~Assembly() {
  if (filling_.valid()) filling_.wait();
  machine_.reset();
  if (copying_.valid()) copying_.wait();
  if (!memory_file_view_.empty())
    ::munmap(const_cast<std::byte*>(memory_file_view_.data()), memory_file_view_.size());
}

bool Assembly::is_kvm() const {
  return plan_.record.accelerator == machine::accelerator_name(machine::Accelerator::kKvm);
}

std::uint64_t Assembly::memory_bytes() const {
  return plan_.record.resources.memory_mb * kMiB;
}

Result<std::unique_ptr<Assembly>> Assembly::build(const asio::any_io_executor& executor, Plan plan,
                                                  const Log& log) {
  std::unique_ptr<Assembly> assembly(new Assembly(std::move(plan), log));
  machine::MachineSpec spec = machine_spec(assembly->plan_);
  if (assembly->plan_.begin == Plan::Begin::kRestore) {
    if (auto loaded = assembly->load_saved(spec); !loaded) return loaded.error();
  }
  if (assembly->is_kvm()) {
    if (auto made = assembly->make_memory(spec); !made) return made.error();
  }
  if (auto opened = assembly->open_disk(); !opened) return opened.error();

  auto console =
      machine::ConsoleMonitor::open(std::move(assembly->plan_.work), registry::layout::kConsoleLog);
  if (!console) return console.error();
  assembly->console_ = std::make_unique<machine::ConsoleMonitor>(*std::move(console));
  auto agent_link = stream_socket_pair();
  if (!agent_link) return agent_link.error();
  assembly->agent_link_ = std::move(agent_link->first);
  auto& begun = assembly->plan_.network;
  if (!begun) return begun.error();
  UniqueFd wire = std::move(begun->wire);
  auto network =
      network::Gateway::start(executor, *std::move(begun), rules_of(assembly->plan_.record.network), log);
  if (!network) return network.error();
  assembly->network_ = *std::move(network);

  auto add_machine = assembly->is_kvm() ? &Assembly::add_kvm_machine : &Assembly::add_tcg_machine;
  auto added = ((*assembly).*add_machine)(executor, std::move(spec), std::move(agent_link->second),
                                          std::move(wire), log);
  if (!added) return added.error();
  return assembly;
}

asio::awaitable<Result<void>> Assembly::set_network_policy(registry::NetworkPolicy policy) {
  plan_.record.network = std::move(policy);
  auto applied = co_await network_->apply(rules_of(plan_.record.network));
  co_return applied;
}

// The creator has made it where it is made from a snapshot; one that was there before is a resumed sandbox's.
Result<void> Assembly::open_disk() {
  const std::filesystem::path folder = plan_.work_folder / registry::layout::kDisk;
  // An ephemeral sandbox's disk does not outlive its machine, and so not the host either.
  const Durability durability = plan_.record.name ? Durability::kSynced : Durability::kLazy;
  std::error_code ignored;
  had_disk_ = std::filesystem::exists(folder, ignored);
  const storage::DiskSpec spec{plan_.image, storage::kDiskDeviceBytes, plan_.record.resources.disk_mb * kMiB,
                               durability};
  auto disk = had_disk_ ? storage::LayeredDisk::open(folder, plan_.image, durability)
                        : storage::LayeredDisk::create(folder, spec);
  if (!disk) return disk.error().within(had_disk_ ? "open the disk" : "make the disk");
  disk_ = *std::move(disk);
  return {};
}

// Everything in this process.
Result<void> Assembly::add_kvm_machine(const asio::any_io_executor& executor, machine::MachineSpec spec,
                                       UniqueFd agent, UniqueFd network, const Log& log) {
  if (spec.saved_state.empty()) {
    auto initramfs = guest::initramfs_in_program();
    if (!initramfs) return initramfs.error();
    spec.initramfs = *std::move(initramfs);
  }
  VirtioBoard::Parts parts;
  parts.memory = &*memory_;
  parts.vcpus = spec.vcpus;
  parts.disk = disk_.get();
  parts.agent = std::move(agent);
  parts.network = std::move(network);
  parts.mac = network::mac_of(plan_.record.sandbox_id);
  parts.mtu = network::kMtu;
  auto board = VirtioBoard::build(std::move(parts), log);
  if (!board) return board.error();
  machine::kvm::Wiring wiring;
  wiring.board = *std::move(board);
  wiring.console = console_.get();
  wiring.vm = std::move(plan_.vm);
  if (copying_.valid()) wiring.memory_ready = [this] { copying_.get(); };
  auto machine = machine::kvm::KvmMachine::create(executor, std::move(spec), std::move(wiring), log);
  if (!machine) return machine.error();
  machine_ = *std::move(machine);
  return {};
}

// QEMU, which reaches the disk and the agent by sockets.
Result<void> Assembly::add_tcg_machine(const asio::any_io_executor& executor, machine::MachineSpec spec,
                                       UniqueFd agent, UniqueFd network, const Log& log) {
  auto memory = make_guest_memory_file(memory_bytes());
  if (!memory) return memory.error();
  memory_file_ = *std::move(memory);
  if (spec.saved_state.empty()) {
    auto initramfs = guest::initramfs_file();
    if (!initramfs) return initramfs.error();
    spec.initramfs = *std::move(initramfs);
  } else {
    // While QEMU starts.
    filling_ = std::async(std::launch::async, [this] { return fill_memory_file(); });
  }
  auto disk_link = stream_socket_pair();
  if (!disk_link) return disk_link.error();
  const auto begin = spec.process_image.empty() ? storage::NbdServer::Begin::kNegotiation
                                                : storage::NbdServer::Begin::kTransmission;
  auto server = storage::NbdServer::start(std::move(disk_link->first), *disk_, log, begin);
  if (!server) return server.error();
  disk_server_ = *std::move(server);
  auto memory_for_qemu = duplicate(memory_file_);
  if (!memory_for_qemu) return memory_for_qemu.error();
  machine::TcgWiring wiring;
  wiring.memory = *std::move(memory_for_qemu);
  wiring.disk = std::move(disk_link->second);
  wiring.agent = std::move(agent);
  wiring.network = std::move(network);
  wiring.console = console_.get();
  if (filling_.valid()) {
    wiring.memory_ready = [this]() -> asio::awaitable<Result<void>> {
      const Result<void> filled = filling_.get();
      if (!filled) co_return filled;
      co_return forget_saved();
    };
  }
  auto machine = machine::TcgMachine::create(executor, std::move(spec), std::move(wiring), log);
  if (!machine) return machine.error();
  machine_ = *std::move(machine);
  return {};
}

}  // namespace tl::monitor
