// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/sandbox/runtime.hpp"

namespace tl::cli::test {

// A state folder in memory, with as much sense as the command line can tell. Shared, so that a test can look
// at what is left of it after a command line. Exec "runs" `program`.
struct FakeState {
  std::vector<registry::SandboxRecord> records;  // newest first
  std::vector<ImageInfo> images;
  HostReport report{{}, true};
  std::vector<DamagedRecord> damaged;
  std::vector<std::string> warnings;
  std::optional<Error> create_error;
  std::function<ExecOutcome(const ExecOptions&)> program = [](const ExecOptions&) { return ExecOutcome{}; };
  std::function<void()> while_creating = [] {};

  RuntimeOptions opened_with;
  std::optional<CreateRequest> last_create;
  std::optional<ExecOptions> last_exec;
  int times_opened = 0;
};

class FakeRuntime final : public Runtime {
 public:
  explicit FakeRuntime(std::shared_ptr<FakeState> state) : state_(std::move(state)) {}

  Result<Created> create(const CreateRequest& request, const Progress& progress) override {
    state_->last_create = request;
    if (progress) progress("starting the machine");
    state_->while_creating();
    if (state_->create_error) return *state_->create_error;
    registry::SandboxRecord record;
    record.sandbox_id = "sandbox00000000000" + std::to_string(100 + state_->records.size());
    record.name = request.name;
    record.status = request.wait == CreateWait::kReady ? registry::SandboxState::kRunning
                                                       : registry::SandboxState::kPending;
    record.image = request.image.value_or("default");
    record.resources.cpus = request.cpus.value_or(1.0);
    state_->records.insert(state_->records.begin(), record);
    return Created{{record, std::nullopt}, state_->warnings};
  }

  Result<SandboxList> list(ListFilter filter) override {
    SandboxList list;
    list.damaged = state_->damaged;
    for (const auto& record : state_->records) {
      const bool terminated = record.status == registry::SandboxState::kTerminated;
      if (terminated && filter != ListFilter::kAll) {
        ++list.hidden_terminated;
      } else if (filter != ListFilter::kRunning || record.status == registry::SandboxState::kRunning) {
        list.sandboxes.push_back({record, std::nullopt});
      }
    }
    return list;
  }

  Result<SandboxInfo> describe(const std::string& sandbox) override {
    const auto* record = find(sandbox);
    if (record == nullptr) return missing(sandbox);
    return SandboxInfo{*record, LiveInfo{.memory_used_bytes = 3u << 20, .layers = 1}};
  }

  Result<SandboxInfo> rename(const std::string& sandbox, const std::string& new_name) override {
    if (find(new_name) != nullptr) return Error{ErrorCode::kConflict, "name " + new_name + ": taken", {}};
    auto* record = find(sandbox);
    if (record == nullptr) return missing(sandbox);
    record->name = new_name;
    return SandboxInfo{*record, std::nullopt};
  }

  Result<ExecOutcome> exec(const std::string& sandbox, const ExecOptions& options) override {
    if (find(sandbox) == nullptr) return missing(sandbox);
    state_->last_exec = options;
    return state_->program(options);
  }

  Result<SandboxInfo> terminate(const std::string& sandbox) override {
    auto* record = find(sandbox);
    if (record == nullptr) return missing(sandbox);
    record->status = registry::SandboxState::kTerminated;
    return SandboxInfo{*record, std::nullopt};
  }

  Result<std::vector<ImageInfo>> images() override { return state_->images; }
  Result<HostReport> doctor() override { return state_->report; }

 private:
  registry::SandboxRecord* find(const std::string& sandbox) {
    for (auto& record : state_->records) {
      if (record.sandbox_id == sandbox || record.name == sandbox) return &record;
    }
    return nullptr;
  }
  static Error missing(const std::string& sandbox) {
    return Error{ErrorCode::kNotFound, "no sandbox '" + sandbox + "'", "see 'tl sbx ls'"};
  }

  std::shared_ptr<FakeState> state_;
};

}  // namespace tl::cli::test
