// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "runtime/registry/registry.hpp"

namespace tl::registry {

// A folder of its own, removed in the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path state() const { return path_ / "state"; }

 private:
  std::filesystem::path path_;
};

Registry open_registry(const std::filesystem::path& state);

SandboxRecord draft(std::optional<std::string> name = std::nullopt);
// Every field filled with something else than its default.
SandboxRecord full_record();

// Makes a sandbox and leaves its life lock free, as if its creator had been killed right after. For states
// beyond Pending the lock is held until the state is reached.
SandboxRecord make_dead(Registry& registry, std::optional<std::string> name, SandboxState state);
Result<void> go_to(Registry& registry, const std::string& id, SandboxState state);

std::filesystem::path document_path(const std::filesystem::path& state, const std::string& id);
std::string read_text(const std::filesystem::path& file);
void write_text(const std::filesystem::path& file, const std::string& text);

// Runs `work` in a forked child and returns its exit status, or 128 + signal. Exceptions count as 99.
int in_child(const std::function<int()>& work);

}  // namespace tl::registry
