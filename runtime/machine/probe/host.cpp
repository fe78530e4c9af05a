// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/child_process.hpp"
#include "common/io.hpp"
#include "runtime/machine/probe/kvm_probe.hpp"
#include "runtime/machine/probe/tcg_probe.hpp"
#include "runtime/machine/probe/verdict.hpp"

namespace tl::machine {
namespace {

// One line of /proc/cpuinfo that tells processors apart.
std::string cpu_model() {
  const auto fd = open_at(AT_FDCWD, "/proc/cpuinfo", O_RDONLY);
  if (!fd) return "";
  std::string text(4096, '\0');  // the first processor
  const ssize_t n = ::read(fd->get(), text.data(), text.size());
  text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
  const std::size_t at = text.find("model name");
  return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
}

std::string boot_id() {
  const auto text = read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 256);
  return text ? text->substr(0, text->find('\n')) : "";
}

// The program stamp of a file: changes when it is replaced.
std::string stamp(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return path + " -";
  return fmt::format("{} {}:{} {} {}.{}", path, status.st_dev, status.st_ino, status.st_size,
                     status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

}  // namespace

std::string host_fingerprint() {
  utsname kernel = {};
  ::uname(&kernel);
  const auto qemu = find_program("qemu-system-x86_64");
  struct stat device = {};
  const bool has_device = ::stat("/dev/kvm", &device) == 0;
  return fmt::format("boot {}; kernel {} {}; {}; kvm {} {:o} {}:{} access {}; uid {}; qemu {}; tl {}",
                     boot_id(), kernel.release, kernel.version, cpu_model(), has_device ? device.st_rdev : 0,
                     has_device ? device.st_mode : 0, device.st_uid, device.st_gid,
                     ::access("/dev/kvm", R_OK | W_OK) == 0 ? 1 : 0, ::geteuid(), qemu ? stamp(*qemu) : "-",
                     TL_VERSION);
}

HostVerdicts probe_host() {
  HostVerdicts verdicts;
  verdicts.fingerprint = host_fingerprint();
  verdicts.kvm = probe_kvm();
  verdicts.tcg = probe_tcg();
  return verdicts;
}

}  // namespace tl::machine
