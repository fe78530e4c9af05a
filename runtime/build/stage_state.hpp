// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/result.hpp"
#include "runtime/build/build_plan.hpp"
#include "runtime/build/dockerfile.hpp"
#include "runtime/sandbox/info.hpp"

namespace tl::build {

// What the instructions of a stage have said so far about how commands run in it, and in the image that is
// made of it. Pure: nobody is asked about files or users.
class StageState {
 public:
  // Of all variables together: an exec's environment has to fit into one message.
  static constexpr std::size_t kMaxVariables = 256 * 1024;

  explicit StageState(storage::ImageConfig base);
  // Of a stage that begins with another: all but its arguments goes on.
  [[nodiscard]] StageState as_base() const;

  // ENV, ARG, WORKDIR, USER, SHELL, ENTRYPOINT and CMD. `global`: the arguments before the first FROM.
  // kOutOfRange.
  Result<void> apply(const Instruction& instruction, char escape, const Arguments& given,
                     const Arguments& global);
  void set_user(std::string user) { config_.user = std::move(user); }
  // A word with variables: those of ENV, then those of ARG.
  [[nodiscard]] Result<std::string> expanded(const std::string& word, char escape) const;

  // For RUN: arguments, and on top of them the environment.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> environment() const;
  // A command as RUN, CMD and ENTRYPOINT have it: the list, or the text for the shell.
  [[nodiscard]] std::vector<std::string> command(const Instruction& instruction) const;
  [[nodiscard]] const storage::ImageConfig& config() const { return config_; }
  // A path that is absolute, by WORKDIR where it was not.
  [[nodiscard]] std::string absolute(const std::string& path) const;
  // The names of --build-arg that an ARG took.
  [[nodiscard]] const std::set<std::string>& used() const { return used_; }

 private:
  Result<void> set_env(const Instruction& instruction, char escape);
  Result<void> set_args(const Instruction& instruction, char escape, const Arguments& given,
                        const Arguments& global);
  [[nodiscard]] std::optional<std::string> look_up(std::string_view name) const;
  Result<void> check_size() const;

  storage::ImageConfig config_;
  std::vector<std::string> shell_ = {"/bin/sh", "-c"};
  Arguments args_;  // those that have a value
  std::set<std::string> used_;
  enum class Cmd { kInherited, kOwn } cmd_ = Cmd::kInherited;
};

}  // namespace tl::build
