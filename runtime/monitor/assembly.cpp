// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/assembly.hpp"

#include <cmath>

#include "common/guest_memory_file.hpp"
#include "runtime/guest/initramfs.hpp"
#include "runtime/machine/kvm/kvm_machine.hpp"
#include "runtime/machine/tcg/tcg_machine.hpp"
#include "runtime/monitor/virtio_board.hpp"
#include "runtime/registry/paths.hpp"

namespace tl::monitor {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
// The guest's device is as large as a disk may ever become; its file system is as large as asked for.
constexpr std::uint64_t kDeviceBytes = 102400 * kMiB;

machine::MachineSpec machine_spec(const Assembly::Plan& plan) {
  machine::MachineSpec spec;
  spec.vcpus = static_cast<unsigned>(std::ceil(plan.record.resources.cpus));
  spec.cpu_limit = plan.record.resources.cpus;
  spec.memory_mib = plan.record.resources.memory_mb;
  spec.kernel = plan.kernel;
  return spec;
}

}  // namespace

Result<std::unique_ptr<Assembly>> Assembly::build(const asio::any_io_executor& executor, const Plan& plan,
                                                  const Log& log) {
  std::unique_ptr<Assembly> assembly(new Assembly);
  machine::MachineSpec spec = machine_spec(plan);
  storage::DiskSpec disk{plan.image, kDeviceBytes, plan.record.resources.disk_mb * kMiB};
  // An ephemeral sandbox's disk does not outlive its machine, and so not the host either.
  disk.durability = plan.record.name ? Durability::kSynced : Durability::kLazy;
  auto made = storage::LayeredDisk::create(plan.work_folder / registry::layout::kDisk, disk);
  if (!made) return made.error().within("make the disk");
  assembly->disk_ = *std::move(made);

  auto console = machine::ConsoleMonitor::open(plan.work_fd, registry::layout::kConsoleLog);
  if (!console) return console.error();
  assembly->console_ = std::make_unique<machine::ConsoleMonitor>(*std::move(console));
  auto agent_link = stream_socket_pair();
  if (!agent_link) return agent_link.error();
  assembly->agent_link_ = std::move(agent_link->first);

  const bool kvm = plan.record.accelerator == machine::accelerator_name(machine::Accelerator::kKvm);
  auto add_machine = kvm ? &Assembly::add_kvm_machine : &Assembly::add_tcg_machine;
  auto added = ((*assembly).*add_machine)(executor, std::move(spec), std::move(agent_link->second), log);
  if (!added) return added.error();
  return assembly;
}

// Everything in this process.
Result<void> Assembly::add_kvm_machine(const asio::any_io_executor& executor, machine::MachineSpec spec,
                                       UniqueFd agent, const Log& log) {
  auto initramfs = guest::initramfs_in_program();
  if (!initramfs) return initramfs.error();
  spec.initramfs = *std::move(initramfs);
  auto memory = GuestMemory::create(spec.memory_mib * kMiB);
  if (!memory) return memory.error();
  memory_.emplace(*std::move(memory));
  VirtioBoard::Parts parts;
  parts.memory = &*memory_;
  parts.vcpus = spec.vcpus;
  parts.disk = disk_.get();
  parts.agent = std::move(agent);
  auto board = VirtioBoard::build(std::move(parts), log);
  if (!board) return board.error();
  machine::kvm::Wiring wiring;
  wiring.board = *std::move(board);
  wiring.console = console_.get();
  auto machine = machine::kvm::KvmMachine::create(executor, std::move(spec), std::move(wiring), log);
  if (!machine) return machine.error();
  machine_ = *std::move(machine);
  return {};
}

// QEMU, which reaches the disk and the agent by sockets.
Result<void> Assembly::add_tcg_machine(const asio::any_io_executor& executor, machine::MachineSpec spec,
                                       UniqueFd agent, const Log& log) {
  auto initramfs = guest::initramfs_file();
  if (!initramfs) return initramfs.error();
  spec.initramfs = *std::move(initramfs);
  auto disk_link = stream_socket_pair();
  if (!disk_link) return disk_link.error();
  auto server = storage::NbdServer::start(std::move(disk_link->first), *disk_, log);
  if (!server) return server.error();
  disk_server_ = *std::move(server);
  auto memory = make_guest_memory_file(spec.memory_mib * kMiB);
  if (!memory) return memory.error();
  machine::TcgWiring wiring;
  wiring.memory = *std::move(memory);
  wiring.disk = std::move(disk_link->second);
  wiring.agent = std::move(agent);
  wiring.console = console_.get();
  auto machine = machine::TcgMachine::create(executor, std::move(spec), std::move(wiring), log);
  if (!machine) return machine.error();
  machine_ = *std::move(machine);
  return {};
}

}  // namespace tl::monitor
