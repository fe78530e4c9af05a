// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/vm.hpp"

#include <fcntl.h>
#include <linux/kvm.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "common/check.hpp"
#include "common/io.hpp"
#include "runtime/machine/kvm/kvm_ioctl.hpp"
#include "runtime/machine/kvm/kvm_msrs.hpp"
#include "runtime/machine/kvm/layout.hpp"

namespace tl::machine::kvm {
namespace {

constexpr std::uint32_t kMsrTscDeadline = 0x6e0;
constexpr std::uint64_t kPageBytes = 4096;  // of a memory slot

template <typename T>
Result<void> set(int fd, unsigned long request, const char* name, T& argument) {
  const auto done = kvm_ioctl(fd, request, name, reinterpret_cast<unsigned long>(&argument));
  if (!done) return done.error();
  return {};
}

}  // namespace

Result<Vm> Vm::create(const char* device) {
  auto kvm = open_at(AT_FDCWD, device, O_RDWR);
  if (!kvm)
    return Error{ErrorCode::kHostLacks, kvm.error().message, "tl sbx doctor says what this host offers"};
  int made = 0;
  // The kernel gives up when a signal comes at a bad moment.
  do made = kvm_ioctl_raw(kvm->get(), KVM_CREATE_VM, 0UL);
  while (made == -EINTR);
  if (made < 0) return Error{ErrorCode::kHostLacks, errno_error(-made, "KVM_CREATE_VM").message, ""};
  Vm vm(*std::move(kvm), UniqueFd(made));
  if (auto added = vm.add_interrupt_controllers(); !added) return added.error();
  return vm;
}

std::future<Result<Vm>> Vm::begin() {
  return std::async(std::launch::async | std::launch::deferred, [] { return create(); });
}

Result<void> Vm::add_memory(const GuestMemory& memory) {
  return set_memory(memory, 0);
}

Result<void> Vm::note_writes(const GuestMemory& memory, bool noted) {
  return set_memory(memory, noted ? KVM_MEM_LOG_DIRTY_PAGES : 0);
}

Result<std::vector<std::uint64_t>> Vm::written_pages(const GuestMemory& memory) const {
  std::vector<std::uint64_t> all((memory.size_bytes() / kPageBytes + 63) / 64);
  std::uint32_t slot = 0;
  for (const GuestMemory::Region& region : memory.regions()) {
    const auto first = static_cast<std::uint64_t>(region.host - memory.ram().data()) / kPageBytes;
    TL_CHECK(first % 64 == 0);  // a region ends at the hole, or is the last one
    kvm_dirty_log log = {};
    log.slot = slot++;
    log.dirty_bitmap = &all[first / 64];
    if (auto got = set(fd(), KVM_GET_DIRTY_LOG, "KVM_GET_DIRTY_LOG", log); !got) return got.error();
  }
  return all;
}

Result<void> Vm::set_memory(const GuestMemory& memory, std::uint32_t flags) {
  std::uint32_t slot = 0;
  for (const GuestMemory::Region& region : memory.regions()) {
    kvm_userspace_memory_region wanted = {};
    wanted.slot = slot++;
    wanted.flags = flags;
    wanted.guest_phys_addr = region.start.value;
    wanted.memory_size = region.bytes;
    wanted.userspace_addr = reinterpret_cast<std::uint64_t>(region.host);
    auto done = set(fd(), KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION", wanted);
    if (!done) return done;
  }
  return {};
}

Result<void> Vm::add_interrupt_controllers() {
  auto done = kvm_ioctl(fd(), KVM_SET_TSS_ADDR, "KVM_SET_TSS_ADDR", layout::kTss);
  if (!done) return done.error();
  done = kvm_ioctl(fd(), KVM_CREATE_IRQCHIP, "KVM_CREATE_IRQCHIP", 0);
  if (!done) return done.error();
  kvm_pit_config pit = {};
  pit.flags = KVM_PIT_SPEAKER_DUMMY;  // port 0x61, which a kernel measures clocks with, too
  return set(fd(), KVM_CREATE_PIT2, "KVM_CREATE_PIT2", pit);
}

Result<void> Vm::connect_interrupt(const EventFd& event, std::uint32_t line) {
  kvm_irqfd wanted = {};
  wanted.fd = static_cast<std::uint32_t>(event.fd());
  wanted.gsi = line;
  return set(fd(), KVM_IRQFD, "KVM_IRQFD", wanted);
}

Result<void> Vm::connect_doorbell(GuestAddr window, const MmioDevice::Doorbell& doorbell) {
  kvm_ioeventfd wanted = {};
  wanted.addr = (window + doorbell.offset).value;
  wanted.len = sizeof(std::uint32_t);
  wanted.fd = doorbell.event->fd();
  return set(fd(), KVM_IOEVENTFD, "KVM_IOEVENTFD", wanted);
}

Result<CpuidTable> Vm::supported_cpuid() const {
  CpuidTable table = {};
  table.head.entries = CpuidTable::kEntries;
  if (auto got = set(kvm_.get(), kGetSupportedCpuid, "KVM_GET_SUPPORTED_CPUID", table); !got)
    return got.error();
  return table;
}

int Vm::value_of(int capability) const {
  return std::max(0, kvm_ioctl_raw(fd(), KVM_CHECK_EXTENSION, static_cast<unsigned long>(capability)));
}

Result<std::vector<std::uint32_t>> Vm::msr_indices() const {
  MsrList list = {};
  list.count = MsrList::kEntries;
  if (auto got = set(kvm_.get(), kGetMsrIndexList, "KVM_GET_MSR_INDEX_LIST", list); !got) return got.error();
  std::vector<std::uint32_t> indices(list.index, list.index + std::min(list.count, MsrList::kEntries));
  // Not listed where KVM emulates it without the processor's help.
  if (std::find(indices.begin(), indices.end(), kMsrTscDeadline) == indices.end())
    indices.push_back(kMsrTscDeadline);
  return indices;
}

Result<VmState> Vm::save() const {
  VmState state;
  for (std::size_t i = 0; i < state.controllers.size(); ++i) {
    state.controllers[i].chip_id = static_cast<std::uint32_t>(i);
    if (auto got = set(fd(), KVM_GET_IRQCHIP, "KVM_GET_IRQCHIP", state.controllers[i]); !got)
      return got.error();
  }
  if (auto got = set(fd(), KVM_GET_PIT2, "KVM_GET_PIT2", state.timer); !got) return got.error();
  if (auto got = set(fd(), KVM_GET_CLOCK, "KVM_GET_CLOCK", state.clock); !got) return got.error();
  return state;
}

Result<void> Vm::restore(const VmState& state) {
  VmState copy = state;
  for (kvm_irqchip& controller : copy.controllers) {
    if (auto done = set(fd(), KVM_SET_IRQCHIP, "KVM_SET_IRQCHIP", controller); !done) return done;
  }
  if (auto done = set(fd(), KVM_SET_PIT2, "KVM_SET_PIT2", copy.timer); !done) return done;
  return set_clock(copy.clock.clock);
}

Result<void> Vm::set_clock(std::uint64_t nanoseconds) {
  kvm_clock_data clock = {};  // no flags: no more than the clock itself
  clock.clock = nanoseconds;
  return set(fd(), KVM_SET_CLOCK, "KVM_SET_CLOCK", clock);
}

Result<std::size_t> Vm::run_bytes() const {
  const auto bytes = kvm_ioctl(kvm_.get(), KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE", 0);
  if (!bytes) return bytes.error();
  return static_cast<std::size_t>(*bytes);
}

}  // namespace tl::machine::kvm
