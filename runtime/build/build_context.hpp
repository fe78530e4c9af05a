// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/build/dockerignore.hpp"

namespace tl::build {

// The folder that COPY takes files from, without what its .dockerignore leaves out. Nothing outside of it is
// ever opened: every path is opened below it by openat2(2) with RESOLVE_BENEATH. One thread at a time.
class BuildContext {
 public:
  static constexpr std::size_t kMaxMatches = 100'000;  // of one pattern

  // Something in the context.
  struct Source {
    std::string path;  // where it is, links resolved; empty: the context itself
    std::string name;  // what it was called
    enum class Kind { kFile, kFolder, kLink } kind = Kind::kFile;  // kLink: one that leads nowhere in here
  };

  // kNotFound when there is no such folder.
  static Result<BuildContext> open(const std::string& folder, DockerIgnore ignore);

  // What a COPY's word means, sorted; wildcards are those of glob.hpp. ".." and "/" do not leave the context.
  // A symbolic link is followed when it leads to something inside. kNotFound when it means nothing.
  [[nodiscard]] Result<std::vector<Source>> find(const std::string& word) const;

  // Of what is there, without following links; the path is one of ours.
  [[nodiscard]] Result<struct stat> status(const std::string& path) const;
  // To be read; kFailure for what is neither a file nor a folder.
  [[nodiscard]] Result<UniqueFd> open_below(const std::string& path) const;
  [[nodiscard]] Result<std::string> link_target(const std::string& path) const;
  // The names in a folder, sorted, also of what is left out.
  [[nodiscard]] Result<std::vector<std::string>> names_in(const std::string& path) const;
  [[nodiscard]] const DockerIgnore& ignore() const { return ignore_; }

 private:
  BuildContext(UniqueFd folder, std::string real_path, DockerIgnore ignore)
      : folder_(std::move(folder)), real_path_(std::move(real_path)), ignore_(std::move(ignore)) {}
  [[nodiscard]] Result<Source> source_at(const std::string& path) const;
  [[nodiscard]] bool is_left_out(const Source& source) const;
  [[nodiscard]] Result<std::string> path_of(int fd) const;

  UniqueFd folder_;
  std::string real_path_;
  DockerIgnore ignore_;
};

}  // namespace tl::build
