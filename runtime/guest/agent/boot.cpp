// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/boot.hpp"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "common/io.hpp"

namespace tl::guest {
namespace {

constexpr const char* kRootDevice = "/dev/vda";
constexpr const char* kPortName = "tl.agent";
constexpr rlim_t kAgentFiles = 1024 * 1024;  // a few for each of hundreds of commands

struct Mount {
  const char* type;
  const char* where;
  unsigned long flags;
  const char* options;
};

Result<void> mount_at(const Mount& mount) {
  ::mkdir(mount.where, 0755);
  if (::mount(mount.type, mount.where, mount.type, mount.flags, mount.options) == 0) return {};
  return errno_error(std::string("mount ") + mount.where);
}

void set(const char* file, std::string_view value) {
  const UniqueFd fd(::open(file, O_WRONLY | O_CLOEXEC));
  if (fd) static_cast<void>(write_all(fd.get(), value));
}

void bring_up_loopback() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return;
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  ::ioctl(socket.get(), SIOCSIFFLAGS, &request);
}

}  // namespace

Result<void> prepare_initramfs() {
  ::umask(022);
  const rlimit files{kAgentFiles, kAgentFiles};
  ::setrlimit(RLIMIT_NOFILE, &files);
  for (const Mount& mount : {Mount{"devtmpfs", "/dev", MS_NOSUID, "mode=0755"},
                             Mount{"proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr},
                             Mount{"sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr}}) {
    if (auto mounted = mount_at(mount); !mounted) return mounted;
  }
  // The kernel gave us a console, or nothing at all. The descriptors of pipes must be above 2 (spawn.cpp).
  for (;;) {
    const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) return errno_error("open /dev/null");
    if (fd > 2) {
      ::close(fd);
      return {};
    }
  }
}

Result<UniqueFd> open_agent_port() {
  constexpr const char* kClass = "/sys/class/virtio-ports";
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(kClass),
                                                   [](DIR* dir) { return ::closedir(dir); });
  while (folder) {
    const dirent* entry = ::readdir(folder.get());
    if (entry == nullptr) break;
    if (entry->d_name[0] == '.') continue;
    const auto name = read_file(AT_FDCWD, std::string(kClass) + "/" + entry->d_name + "/name", 256);
    if (!name || name->substr(0, name->find('\n')) != kPortName) continue;
    return open_at(AT_FDCWD, std::string("/dev/") + entry->d_name, O_RDWR | O_NONBLOCK);
  }
  return Error{ErrorCode::kNotFound, "there is no virtio-serial port tl.agent", ""};
}

Result<void> enter_root_disk() {
  ::mkdir("/newroot", 0755);
  // discard: what is deleted inside is space again outside. noinit_itable: the inode tables of fresh groups
  // need no zeroes written, they read as zeroes anyway and would take the host's space.
  // no_prefetch_block_bitmaps: else a kernel thread reads them half a second after the boot, and in every
  // guest that goes on from then.
  if (::mount(kRootDevice, "/newroot", "ext4", MS_NOATIME,
              "discard,noinit_itable,no_prefetch_block_bitmaps") != 0) {
    return errno_error("mount the root disk");
  }
  for (const char* folder : {"/dev", "/proc", "/sys"}) {
    const std::string target = std::string("/newroot") + folder;
    ::mkdir(target.c_str(), 0755);
    if (::mount(folder, target.c_str(), nullptr, MS_MOVE, nullptr) != 0) {
      return errno_error(std::string("move ") + folder + " to the root disk");
    }
  }
  ::unlink("/init");
  if (::chdir("/newroot") != 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || ::chroot(".") != 0 ||
      ::chdir("/") != 0) {
    return errno_error("change to the root disk");
  }
  return {};
}

void furnish() {
  constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  for (const Mount& mount :
       {Mount{"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666"},
        Mount{"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777"},
        Mount{"mqueue", "/dev/mqueue", kPlain, nullptr},
        Mount{"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755"},
        Mount{"cgroup2", "/sys/fs/cgroup", kPlain, "nsdelegate"},
        Mount{"bpf", "/sys/fs/bpf", kPlain, "mode=0700"}}) {
    static_cast<void>(mount_at(mount));
  }
  ::mkdir("/run/lock", 01777);
  ::chmod("/run/lock", 01777);
  if (::mkdir("/tmp", 01777) == 0) ::chmod("/tmp", 01777);
  static_cast<void>(::symlink("/proc/self/fd", "/dev/fd"));
  static_cast<void>(::symlink("/proc/self/fd/0", "/dev/stdin"));
  static_cast<void>(::symlink("/proc/self/fd/1", "/dev/stdout"));
  static_cast<void>(::symlink("/proc/self/fd/2", "/dev/stderr"));
  static_cast<void>(::symlink("/proc/self/mounts", "/etc/mtab"));
  bring_up_loopback();
  // The serial console is slow, and it is where the monitor watches for "reboot:" and "Kernel panic", which
  // are of level 0: only 0 to 2 go there. The rest is in dmesg.
  set("/proc/sys/kernel/printk", "3 4 1 7");
  // Process numbers do not come round soon: exec.cpp relies on it when it kills what a timed out command left
  // behind.
  set("/proc/sys/kernel/pid_max", "4194304");
  // Nobody is woken several times a second to find that there is nothing to do: memory is put together when
  // it is asked for in large pieces, and counters are summed up a little later.
  set("/proc/sys/vm/compaction_proactiveness", "0");
  set("/proc/sys/vm/stat_interval", "30");
  set("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
}

}  // namespace tl::guest
