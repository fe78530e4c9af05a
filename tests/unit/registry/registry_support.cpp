// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/registry/registry_support.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

namespace tl::registry {

namespace fs = std::filesystem;

TempFolder::TempFolder() {
  std::string pattern = (fs::temp_directory_path() / "tl-registry-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Registry open_registry(const fs::path& state) {
  auto folder = StateFolder::open(state.string());
  if (!folder) throw std::runtime_error(folder.error().message);
  auto registry = Registry::open(*std::move(folder));
  if (!registry) throw std::runtime_error(registry.error().message);
  return *std::move(registry);
}

SandboxRecord draft(std::optional<std::string> name) {
  SandboxRecord record;
  record.name = std::move(name);
  record.image = "default";
  record.image_digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  return record;
}

SandboxRecord full_record() {
  const Time base{std::chrono::milliseconds(1'800'000'000'123)};
  SandboxRecord record;
  record.sandbox_id = "s7jus08qec4axzgbpq76h";
  record.name = "web-1";
  record.status = SandboxState::kTerminated;
  record.image = "ubuntu \"24.04\" – größer";
  record.image_digest = "sha256:00ff";
  record.resources = {2.5, 4096, 20480};
  record.timeout_secs = 5'000'000'000;
  record.idle_timeout_secs = 60;
  record.created_at = base;
  record.running_since = base + std::chrono::milliseconds(1500);
  record.ended_at = base + std::chrono::hours(2);
  record.reason = "the guest\nswitched itself off";
  record.accelerator = "tcg";
  record.entrypoint = {"/bin/sh", "-c", "echo \"$HOME\""};
  record.network = {true, {"192.0.2.0/24", "example.com"}, {"192.0.2.7"}};
  record.exposed_ports = {80, 65535};
  record.snapshot_id = "0123456789abcdefghijk";
  record.monitor_pid = 4711;
  return record;
}

Result<void> go_to(Registry& registry, const std::string& id, SandboxState state) {
  using enum SandboxState;
  std::vector<SandboxState> way;
  if (state == kRunning) way = {kRunning};
  if (state == kSnapshotting) way = {kRunning, kSnapshotting};
  if (state == kSuspending) way = {kRunning, kSuspending};
  if (state == kSuspended) way = {kRunning, kSuspending, kSuspended};
  if (state == kTerminated) way = {kTerminated};
  for (const SandboxState next : way) {
    auto changed = registry.update(id, [&](SandboxRecord& record) -> Result<void> {
      record.status = next;
      return {};
    });
    if (!changed) return changed.error();
  }
  return {};
}

SandboxRecord make_dead(Registry& registry, std::optional<std::string> name, SandboxState state) {
  auto created = registry.create(draft(std::move(name)));
  if (!created) throw std::runtime_error(created.error().message);
  if (auto gone = go_to(registry, created->record.sandbox_id, state); !gone) {
    throw std::runtime_error(gone.error().message);
  }
  return created->record;
}

fs::path document_path(const fs::path& state, const std::string& id) {
  return state / "sandboxes" / (id + ".json");
}

std::string read_text(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write_text(const fs::path& file, const std::string& text) {
  std::ofstream stream(file, std::ios::binary | std::ios::trunc);
  stream << text;
  if (!stream.flush()) throw std::runtime_error("cannot write " + file.string());
}

int in_child(const std::function<int()>& work) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    int status = 99;
    try {
      status = work();
    } catch (...) {
      status = 99;
    }
    ::_exit(status);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace tl::registry
