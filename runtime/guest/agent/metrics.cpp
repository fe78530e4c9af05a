// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/metrics.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <time.h>

#include <charconv>
#include <memory>
#include <string_view>

#include "common/io.hpp"

namespace tl::guest {
namespace {

constexpr std::size_t kMaxProcFile = 64 * 1024;

// The bytes of a line "Name:   1234 kB".
std::uint64_t meminfo(std::string_view text, std::string_view name) {
  const std::size_t at = text.find(name);
  if (at == std::string_view::npos) return 0;
  const std::size_t digits = text.find_first_of("0123456789", at);
  std::uint64_t kib = 0;
  if (digits != std::string_view::npos) std::from_chars(text.data() + digits, text.data() + text.size(), kib);
  return kib * 1024;
}

std::uint64_t count_processes() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"),
                                                   [](DIR* dir) { return ::closedir(dir); });
  std::uint64_t count = 0;
  while (folder) {
    const dirent* entry = ::readdir(folder.get());
    if (entry == nullptr) break;
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') ++count;
  }
  return count;
}

}  // namespace

Metrics read_metrics() {
  Metrics metrics;
  if (const auto text = read_file(AT_FDCWD, "/proc/meminfo", kMaxProcFile)) {
    metrics.memory_total_bytes = meminfo(*text, "MemTotal:");
    metrics.memory_available_bytes = meminfo(*text, "MemAvailable:");
  }
  struct statvfs disk {};
  if (::statvfs("/", &disk) == 0) {
    metrics.disk_total_bytes = static_cast<std::uint64_t>(disk.f_blocks) * disk.f_frsize;
    metrics.disk_free_bytes = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  }
  metrics.processes = count_processes();
  struct sysinfo info {};
  if (::sysinfo(&info) == 0) {
    metrics.load_1min = static_cast<double>(info.loads[0]) / (1 << SI_LOAD_SHIFT);
  }
  timespec up{};
  ::clock_gettime(CLOCK_BOOTTIME, &up);
  metrics.uptime = std::chrono::milliseconds(up.tv_sec * 1000 + up.tv_nsec / 1000000);
  return metrics;
}

}  // namespace tl::guest
