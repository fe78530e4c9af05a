// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/cpu_limit/cgroup_quota.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "common/io.hpp"

namespace tl::machine {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "tl-machine-";
constexpr unsigned kPeriodUs = 50'000;

// The path of the unified hierarchy: the line "0::/user.slice/…".
std::string own_group(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with("0::/")) return std::string(line.substr(4));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return "";
}

bool write_value(const fs::path& file, const std::string& value) {
  const auto fd = open_at(AT_FDCWD, file.string(), O_WRONLY);
  return fd && write_all(fd->get(), value).has_value();
}

void sweep(const fs::path& parent) {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(parent, ec)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    pid_t maker = 0;
    const char* digits = name.data() + kPrefix.size();
    std::from_chars(digits, name.data() + name.size(), maker);
    // rmdir refuses a group that still has a process.
    if (maker > 0 && ::kill(maker, 0) != 0 && errno == ESRCH) ::rmdir(entry.path().c_str());
  }
}

}  // namespace

std::optional<CgroupQuota> CgroupQuota::try_apply(const fs::path& root, const std::string& own, pid_t pid,
                                                  double limit) {
  if (::access((root / "cgroup.controllers").c_str(), R_OK) != 0) return std::nullopt;
  const fs::path group = (root / own_group(own)).lexically_normal();
  // A group with processes gets no controllers for its children, so usually the one beside is it.
  for (const fs::path& parent : {group, group.parent_path()}) {
    if (parent.string().size() < root.string().size()) break;
    sweep(parent);
    const fs::path folder = parent / fmt::format("{}{}-{}", kPrefix, ::getpid(), pid);
    if (::mkdir(folder.c_str(), 0755) != 0) continue;
    CgroupQuota quota(folder);
    if (quota.set_limit(limit) && write_value(folder / "cgroup.procs", std::to_string(pid))) return quota;
  }
  return std::nullopt;
}

std::optional<CgroupQuota> CgroupQuota::try_apply_to_threads(const fs::path& root, const std::string& own,
                                                             const std::vector<pid_t>& threads,
                                                             double limit) {
  if (::access((root / "cgroup.controllers").c_str(), R_OK) != 0) return std::nullopt;
  const fs::path group = (root / own_group(own)).lexically_normal();
  sweep(group);
  const fs::path folder = group / fmt::format("{}{}-threads", kPrefix, ::getpid());
  if (::mkdir(folder.c_str(), 0755) != 0) return std::nullopt;
  CgroupQuota quota(folder);
  if (!write_value(folder / "cgroup.type", "threaded")) return std::nullopt;
  // Refused when it is there already by another's doing, or when we may not; cpu.max tells.
  static_cast<void>(write_value(group / "cgroup.subtree_control", "+cpu"));
  if (!quota.set_limit(limit)) return std::nullopt;
  for (const pid_t thread : threads) {
    if (!write_value(folder / "cgroup.threads", std::to_string(thread))) return std::nullopt;
  }
  return quota;
}

std::string CgroupQuota::own_groups() {
  auto text = read_file(AT_FDCWD, "/proc/self/cgroup", 64 << 10);
  return text ? *std::move(text) : "";
}

bool CgroupQuota::set_limit(double limit) const {
  const auto quota_us = static_cast<unsigned long>(std::lround(limit * kPeriodUs));
  const fs::path file = folder_ / "cpu.max";
  return ::access(file.c_str(), W_OK) == 0 &&
         write_value(file, fmt::format("{} {}", std::max(quota_us, 1000UL), kPeriodUs));
}

CgroupQuota::CgroupQuota(CgroupQuota&& other) noexcept : folder_(std::exchange(other.folder_, fs::path())) {}

CgroupQuota& CgroupQuota::operator=(CgroupQuota&& other) noexcept {
  std::swap(folder_, other.folder_);
  return *this;
}

CgroupQuota::~CgroupQuota() {
  if (!folder_.empty()) ::rmdir(folder_.c_str());
}

}  // namespace tl::machine
