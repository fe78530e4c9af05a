// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/control_groups.hpp"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <span>
#include <sstream>
#include <string_view>
#include <vector>

#include "common/io.hpp"

namespace tl::guest {
namespace {

constexpr const char* kCommands = "tl";
constexpr std::size_t kMaxFile = 64 * 1024;
constexpr std::size_t kMaxProcs = 1024 * 1024;

Result<void> write_file(const std::string& path, std::string_view text) {
  const auto fd = open_at(AT_FDCWD, path, O_WRONLY);
  if (!fd) return fd.error();
  const auto written = write_all(fd->get(), text);
  return written ? written : written.error().within(path);
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

Result<std::vector<std::string>> folders_of(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()),
                                                   [](DIR* dir) { return ::closedir(dir); });
  if (!folder) return errno_error("list " + path);
  std::vector<std::string> names;
  for (;;) {
    const dirent* entry = ::readdir(folder.get());
    if (entry == nullptr) return names;
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
}

}  // namespace

std::string ControlGroups::file(const std::string& name, const char* what) const {
  return root_ + "/" + name + "/" + what;
}

Result<void> ControlGroups::make() {
  entrance_.reset();
  freezer_.reset();
  const std::string group = root_ + "/" + kCommands;
  if (::mkdir(group.c_str(), 0755) != 0 && errno != EEXIST) return errno_error("make " + group);
  auto entrance = open_at(AT_FDCWD, group, O_PATH | O_DIRECTORY);
  if (!entrance) return entrance.error();
  entrance_ = std::move(*entrance);
  if (auto freezer = open_at(AT_FDCWD, file(kCommands, "cgroup.freeze"), O_WRONLY))
    freezer_ = std::move(*freezer);
  return {};
}

void ControlGroups::keep_open() const {
  constexpr std::string_view kThawed = "0";
  if (freezer_) static_cast<void>(pwrite_all(freezer_.get(), std::as_bytes(std::span(kThawed)), 0));
}

// "0" is whoever writes it. What would hand out the controllers of a group moves everybody out of it first
// (Docker's dind does), and in the root group these are PID 1 and the kernel's threads.
Result<void> ControlGroups::leave() const {
  return write_file(root_ + "/cgroup.procs", "0");
}

// They have no program. They are never stopped, and a group that has one never says that it has stopped.
bool ControlGroups::send_home_kernel_threads(const std::string& name) const {
  const auto list = read_file(AT_FDCWD, file(name, "cgroup.procs"), kMaxProcs);
  if (!list) return false;
  bool any = false;
  std::istringstream processes(*list);
  for (std::string pid; std::getline(processes, pid);) {
    const std::string process = proc_ + "/" + pid;
    char program = 0;
    const bool has_none = ::readlink((process + "/exe").c_str(), &program, 1) < 0 && errno == ENOENT;
    if (has_none && exists(process) && write_file(root_ + "/cgroup.procs", pid)) any = true;
  }
  return any;
}

Result<void> ControlGroups::tell(const std::string& name) {
  const auto before = read_file(AT_FDCWD, file(name, "cgroup.freeze"), kMaxFile);
  if (before && before->starts_with('1')) {
    told_.emplace(name, Frozen::kBefore);
    return {};
  }
  auto told = write_file(file(name, "cgroup.freeze"), "1");
  if (!told && exists(root_ + "/" + name)) return told;
  if (told) told_.emplace(name, Frozen::kByUs);
  return {};
}

// A group that is gone has no processes.
bool ControlGroups::stopped(const std::string& name) const {
  const auto events = read_file(AT_FDCWD, file(name, "cgroup.events"), kMaxFile);
  if (!events) return !exists(root_ + "/" + name);
  return events->find("frozen 1") != std::string::npos;
}

Result<bool> ControlGroups::stop() {
  if (told_.empty()) {
    if (auto left = leave(); !left) return left.error();
  }
  const auto names = folders_of(root_);
  if (!names) return names.error();
  bool all = true;
  for (const std::string& name : *names) {
    if (told_.contains(name)) {
      if (stopped(name)) continue;
      all = false;
      if (!send_home_kernel_threads(name)) continue;
      // The kernel counts anew when it is told anew, not when they leave.
      static_cast<void>(write_file(file(name, "cgroup.freeze"), "0"));
      static_cast<void>(write_file(file(name, "cgroup.freeze"), "1"));
    } else if (auto told = tell(name); told) {
      all = false;  // somebody in it may just have made another
    } else {
      return told.error();
    }
  }
  return all;
}

Result<void> ControlGroups::resume() {
  Result<void> result;
  for (const auto& [name, frozen] : told_) {
    if (frozen == Frozen::kBefore) continue;
    auto written = write_file(file(name, "cgroup.freeze"), "0");
    if (!written && exists(root_ + "/" + name)) result = std::move(written);
  }
  told_.clear();
  return result;
}

std::string ControlGroups::moving() const {
  std::string list;
  for (const auto& [name, frozen] : told_) {
    if (!stopped(name)) list += (list.empty() ? "" : ", ") + name;
  }
  return list;
}

}  // namespace tl::guest
