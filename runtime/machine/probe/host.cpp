// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <span>

#include <fmt/format.h>

#include "common/child_process.hpp"
#include "common/io.hpp"
#include "runtime/machine/probe/kvm_probe.hpp"
#include "runtime/machine/probe/tcg_probe.hpp"
#include "runtime/machine/probe/verdict.hpp"

namespace tl::machine {
namespace {

// A UUID, without the end of its line.
std::string boot_id() {
  std::string id(36, '\0');
  const auto file = open_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", O_RDONLY);
  const bool is_read = file && read_exact(file->get(), std::as_writable_bytes(std::span(id)));
  return is_read ? id : "";
}

// The program stamp of a file: changes when it is replaced.
std::string stamp(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return path + " -";
  return fmt::format("{} {}:{} {} {}.{}", path, status.st_dev, status.st_ino, status.st_size,
                     status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

}  // namespace

std::string kvm_fingerprint() {
  struct stat device = {};
  if (::stat("/dev/kvm", &device) != 0) return "no /dev/kvm";
  return fmt::format("boot {}; kvm {} {:o} {}:{} access {}; uid {}; tl {}", boot_id(), device.st_rdev,
                     device.st_mode, device.st_uid, device.st_gid,
                     ::access("/dev/kvm", R_OK | W_OK) == 0 ? 1 : 0, ::geteuid(), TL_VERSION);
}

std::string tcg_fingerprint() {
  const auto qemu = find_program("qemu-system-x86_64");
  return fmt::format("qemu {}; tl {}", qemu ? stamp(*qemu) : "-", TL_VERSION);
}

HostVerdicts probe_host() {
  HostVerdicts verdicts;
  verdicts.kvm_fingerprint = kvm_fingerprint();
  verdicts.tcg_fingerprint = tcg_fingerprint();
  verdicts.kvm = probe_kvm();
  verdicts.tcg = probe_tcg();
  return verdicts;
}

}  // namespace tl::machine
