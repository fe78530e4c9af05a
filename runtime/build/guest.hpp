// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/result.hpp"
#include "runtime/build/build_watch.hpp"
#include "runtime/sandbox/runtime.hpp"

namespace tl::build {

// Where commands are looked for when nobody says where.
inline constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct Owner {
  std::uint32_t uid = 0, gid = 0;
  [[nodiscard]] std::string text() const;  // "1000:1000"
};

// A sandbox in which a stage is built, and what a build asks of it. What a guest says is its own word: it is
// bounded, and made printable where it is shown. Refers to the runtime and the watch, which outlive it.
class Guest {
 public:
  Guest(Runtime& runtime, const BuildWatch& watch, std::string sandbox)
      : runtime_(&runtime), watch_(&watch), sandbox_(std::move(sandbox)) {}

  [[nodiscard]] const std::string& sandbox() const { return sandbox_; }

  struct Command {
    std::vector<std::string> words;
    std::vector<std::pair<std::string, std::string>> environment;
    std::string working_directory, user;  // empty: the image's
  };
  // Its output goes to the watch's. kFailure for every exit code but 0: "exit code 2".
  Result<void> run(const Command& command);

  // One of guest_scripts.hpp, as root. Its descriptors: -1 is none. The first 4096 bytes of its output,
  // unless that goes to a descriptor; kFailure with what it complained of when its exit code is not 0.
  struct Script {
    const char* text;
    std::vector<std::string> arguments;
    int in = -1, out = -1;
  };
  Result<std::string> script(const Script& script);

  enum class Kind { kNothing, kFolder, kOther };
  Result<Kind> look(const std::string& path);
  // NAME, UID, NAME:GROUP and so on, by the users that are known inside. Of a user alone the group is the
  // user's own, or the same number.
  Result<Owner> resolve(const std::string& who);
  // With the folders above it; what is made belongs to the owner.
  Result<void> make_folder(const std::string& path, const Owner& owner);

 private:
  Result<ExecOutcome> exec(const ExecOptions& options);

  Runtime* runtime_;
  const BuildWatch* watch_;
  std::string sandbox_;
};

}  // namespace tl::build
