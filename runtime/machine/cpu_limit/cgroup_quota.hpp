// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tl::machine {

// A cgroup v2 group with a cpu.max that holds one process, or some threads of this one. Its folder is removed
// on destruction, when they have ended by then; folders whose maker died before that are swept by the next
// one made beside them.
class CgroupQuota {
 public:
  static constexpr const char* kHierarchy = "/sys/fs/cgroup";
  // The contents of /proc/self/cgroup.
  static std::string own_groups();

  // Puts `pid` into a new group below or beside ours. nullopt where we may not: no cgroup v2, not delegated,
  // no cpu controller. `root` is the mount of the hierarchy and `own` the contents of /proc/self/cgroup.
  static std::optional<CgroupQuota> try_apply(const std::filesystem::path& root, const std::string& own,
                                              pid_t pid, double limit);

  // The same for threads of this process: in a threaded group below ours, so that the process stays where it
  // is.
  static std::optional<CgroupQuota> try_apply_to_threads(const std::filesystem::path& root,
                                                         const std::string& own,
                                                         const std::vector<pid_t>& threads, double limit);

  CgroupQuota(CgroupQuota&& other) noexcept;
  CgroupQuota& operator=(CgroupQuota&& other) noexcept;
  ~CgroupQuota();

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  explicit CgroupQuota(std::filesystem::path folder) : folder_(std::move(folder)) {}
  [[nodiscard]] bool set_limit(double limit) const;
  std::filesystem::path folder_;  // empty: nothing owned
};

}  // namespace tl::machine
