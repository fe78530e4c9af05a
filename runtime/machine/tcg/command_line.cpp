// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/command_line.hpp"

#include <fmt/format.h>

// What is on the command line is there because it is needed or because it was measured: CPU time from QEMU's
// exec to the guest's init, medians, 1 vCPU, 1 GiB, Linux 6.12, each interleaved with the others.
//
//   rtc=on          1.86 → 0.86 s  else the kernel waits one second for a clock that never answers
//   machine_clocks  0.73 → 0.51 s  else it waits for real time to pass to learn its clocks' rates
//   no_timer_check  0.51 → 0.50 s  an emulated I/O APIC's timer works; trying it takes four ticks
//   noreplace-smp   0.50 → 0.44 s  patching lock prefixes out throws away translated code
//
// Together 0.6 of what a plain `-M microvm` needs. The memfd and the sandbox cost nothing that shows. No
// difference either: another processor model or fewer features, option ROMs off, tb-size, pit=off,
// rcu_expedited, tsc=reliable; the latter is there so that an idle guest does not wake up twice a second to
// check what it was told, and does not come to doubt it on a busy host.
namespace tl::machine {

std::string qemu_kernel_command_line(const MachineSpec& spec, std::optional<std::uint32_t> tsc_khz) {
  std::string line = base_command_line();
  line += " no_timer_check noreplace-smp";
  // QEMU's local APIC counts nanoseconds.
  if (tsc_khz) line += fmt::format(" machine_clocks={},1000000 tsc=reliable", *tsc_khz);
  if (!spec.command_line.empty()) line += " " + spec.command_line;
  return line;
}

std::vector<std::string> qemu_command_line(const std::string& qemu, const MachineSpec& spec,
                                           const QemuDescriptors& descriptors,
                                           std::optional<std::uint32_t> tsc_khz) {
  std::vector<std::string> argv{qemu};
  const auto add = [&](const char* option, std::string value) {
    argv.emplace_back(option);
    argv.push_back(std::move(value));
  };
  argv.insert(argv.end(), {"-nodefaults", "-no-user-config", "-no-reboot"});
  add("-display", "none");
  add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");

  add("-machine",
      "microvm,acpi=off,rtc=on,pit=on,pic=on,auto-kernel-cmdline=on,"
      "memory-backend=ram");
  // MiB of translated code: QEMU's own bound is 1 GiB. It is thrown away as a whole when full.
  add("-accel", "tcg,thread=multi,tb-size=256");
  // Emulation copies "enhanced" strings byte by byte, and everything else in words: without them output of
  // commands is 1.7 times as fast.
  add("-cpu", "max,erms=off");
  add("-smp", std::to_string(spec.vcpus));
  // A file that is the caller's too, so that the memory is saved and filled without QEMU.
  add("-m", fmt::format("size={}M", spec.memory_mib));
  add("-object", fmt::format("memory-backend-file,id=ram,mem-path=/proc/self/fd/{},size={}M,share=on,"
                             "prealloc=off",
                             descriptors.memory, spec.memory_mib));

  if (spec.saved_state.empty()) {
    add("-kernel", spec.kernel.string());
    add("-initrd", fmt::format("/proc/self/fd/{}", descriptors.initramfs));
    add("-append", qemu_kernel_command_line(spec, tsc_khz));
  } else {
    add("-incoming", "defer");
  }

  add("-chardev", fmt::format("socket,id=qmp,fd={}", descriptors.qmp));
  add("-mon", "chardev=qmp,mode=control");
  add("-chardev", fmt::format("socket,id=console,fd={}", descriptors.console));
  add("-serial", "chardev:console");

  add("-global", "virtio-mmio.force-legacy=off");
  if (descriptors.disk >= 0) {
    // An error of the disk is reported to the guest and never stops the machine.
    add("-blockdev", fmt::format("driver=nbd,node-name=disk,server.type=fd,server.str={},discard=unmap,"
                                 "detect-zeroes=off",
                                 descriptors.disk));
    add("-device",
        fmt::format("virtio-blk-device,drive=disk,num-queues={},rerror=report,werror=report", spec.vcpus));
  }
  if (descriptors.agent >= 0) {
    add("-chardev", fmt::format("socket,id=agent,fd={}", descriptors.agent));
    add("-device", "virtio-serial-device,max_ports=2");
    add("-device", "virtserialport,chardev=agent,name=tl.agent,nr=1");
  }
  if (descriptors.network >= 0) {
    add("-netdev", fmt::format("dgram,id=network,local.type=fd,local.str={}", descriptors.network));
    // What a driver does on the control queue is work for a guest that is emulated, and changes nothing on a
    // wire with one station: it gets all frames in any case. Announcing itself after a restore is, too.
    add("-device",
        fmt::format(
            "virtio-net-device,netdev=network,mac={},host_mtu={},ctrl_vq=off,ctrl_rx=off,ctrl_vlan=off,"
            "ctrl_rx_extra=off,ctrl_mac_addr=off,ctrl_guest_offloads=off,guest_announce=off",
            spec.mac, spec.mtu));
  }
  return argv;
}

}  // namespace tl::machine
