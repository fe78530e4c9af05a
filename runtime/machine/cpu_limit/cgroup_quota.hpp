// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

namespace tl::machine {

// A cgroup v2 group with a cpu.max that holds one process. Its folder is removed on destruction, when the
// process has ended by then; folders whose maker died before that are swept by the next one made beside them.
class CgroupQuota {
 public:
  // Puts `pid` into a new group below or beside ours. nullopt where we may not: no cgroup v2, not delegated,
  // no cpu controller. `root` is the mount of the hierarchy and `own` the contents of /proc/self/cgroup.
  static std::optional<CgroupQuota> try_apply(const std::filesystem::path& root, const std::string& own,
                                              pid_t pid, double limit);

  CgroupQuota(CgroupQuota&& other) noexcept;
  CgroupQuota& operator=(CgroupQuota&& other) noexcept;
  ~CgroupQuota();

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  explicit CgroupQuota(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path folder_;  // empty: nothing owned
};

}  // namespace tl::machine
