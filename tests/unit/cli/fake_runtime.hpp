// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/sandbox/runtime.hpp"
#include "tests/unit/cli/fake_state.hpp"

namespace tl::cli::test {

// The runtime of such a state folder.
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
    record.network = request.network;
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
      } else if (passes(filter, record.status)) {
        list.sandboxes.push_back({record, std::nullopt});
      }
    }
    return list;
  }

  Result<SandboxInfo> describe(const std::string& sandbox) override {
    const auto* record = find(sandbox);
    if (record == nullptr) return missing(sandbox);
    return SandboxInfo{*record, LiveInfo{.memory_used_bytes = 3u << 20, .layers = 1, .ports = state_->ports}};
  }

  Result<SandboxInfo> rename(const std::string& sandbox, const std::string& new_name) override {
    if (find(new_name) != nullptr) return Error{ErrorCode::kConflict, "name " + new_name + ": taken", {}};
    auto* record = find(sandbox);
    if (record == nullptr) return missing(sandbox);
    record->name = new_name;
    return SandboxInfo{*record, std::nullopt};
  }

  Result<SandboxInfo> set_network(const std::string& sandbox,
                                  const registry::NetworkPolicy& policy) override {
    auto* record = find(sandbox);
    if (record == nullptr) return missing(sandbox);
    record->network = policy;
    return SandboxInfo{*record, std::nullopt};
  }

  Result<SandboxInfo> suspend(const std::string& sandbox, CreateWait wait) override {
    state_->last_wait = wait;
    if (state_->life_cycle_error) return *state_->life_cycle_error;
    auto* record = find(sandbox);
    if (record == nullptr) return missing(sandbox);
    if (!record->name) {
      return Error{ErrorCode::kConflict, "suspend " + sandbox + ": it has no name", "use 'tl sbx name'"};
    }
    record->status =
        wait == CreateWait::kReady ? registry::SandboxState::kSuspended : registry::SandboxState::kSuspending;
    return SandboxInfo{*record, std::nullopt};
  }

  Result<Resumed> resume(const std::string& sandbox, CreateWait wait, int signals,
                         const Progress& progress) override {
    state_->last_wait = wait;
    if (signals == -1) return Error{ErrorCode::kFailure, "resume: cannot be given up", {}};
    progress("starting the machine");
    state_->while_busy();
    if (state_->life_cycle_error) return *state_->life_cycle_error;
    auto* record = find(sandbox);
    if (record == nullptr) return missing(sandbox);
    if (wait == CreateWait::kReady) record->status = registry::SandboxState::kRunning;
    return Resumed{{*record, std::nullopt}, state_->memory_lost};
  }

  Result<snapshot::SnapshotManifest> checkpoint(const std::string& sandbox,
                                                const CheckpointRequest& request) override {
    state_->last_checkpoint = request;
    if (state_->life_cycle_error) return *state_->life_cycle_error;
    const auto* record = find(sandbox);
    if (record == nullptr) return missing(sandbox);
    snapshot::SnapshotManifest made;
    made.snapshot_id = "snapshot0000000000" + std::to_string(100 + state_->snapshots.size());
    made.name = request.name;
    made.type = request.type == CheckpointType::kMemory ? snapshot::SnapshotManifest::Type::kMemory
                                                        : snapshot::SnapshotManifest::Type::kFilesystem;
    made.sandbox_id = record->sandbox_id;
    made.sandbox_name = record->name;
    made.image = record->image;
    state_->snapshots.insert(state_->snapshots.begin(), made);
    return made;
  }

  Result<SnapshotList> checkpoints() override {
    return SnapshotList{state_->snapshots, state_->snapshot_problems};
  }

  Result<snapshot::SnapshotManifest> remove_checkpoint(const std::string& snapshot) override {
    auto& all = state_->snapshots;
    for (auto each = all.begin(); each != all.end(); ++each) {
      if (each->snapshot_id != snapshot && each->name != snapshot) continue;
      for (const auto& record : state_->records) {
        if (record.snapshot_id != each->snapshot_id) continue;
        return Error{ErrorCode::kConflict, "snapshot " + snapshot + " is in use", "by " + record.sandbox_id};
      }
      auto removed = *each;
      all.erase(each);
      return removed;
    }
    return Error{ErrorCode::kNotFound, "no snapshot '" + snapshot + "'", {}};
  }

  Result<std::vector<Created>> copy(const std::string& sandbox, const CopyRequest& request,
                                    const Progress& progress) override {
    state_->last_copy = request;
    progress("copying");
    state_->while_busy();
    if (state_->life_cycle_error) return *state_->life_cycle_error;
    if (find(sandbox) == nullptr) return missing(sandbox);
    std::vector<Created> copies;
    for (std::uint32_t i = 1; i <= request.copies; ++i) {
      registry::SandboxRecord record = *find(sandbox);
      record.sandbox_id = "copy00000000000000" + std::to_string(100 + i);
      if (record.name) *record.name += "-copy-" + std::to_string(i);
      state_->records.push_back(record);
      copies.push_back({{record, std::nullopt}, state_->warnings});
    }
    return copies;
  }

  Result<Pruned> prune() override {
    if (state_->life_cycle_error) return *state_->life_cycle_error;
    return state_->pruned;
  }

  Result<ExecOutcome> exec(const std::string& sandbox, const ExecOptions& options) override {
    auto* record = find(sandbox);
    if (record == nullptr) return missing(sandbox);
    state_->last_exec = options;
    if (record->status == registry::SandboxState::kSuspended) {
      if (options.progress) options.progress("starting the machine");
      if (options.progress) options.progress("waiting for it");
      record->status = registry::SandboxState::kRunning;
    }
    return state_->program(options);
  }

  Result<FilesCopied> copy_files(const FileCopy& copy) override {
    state_->last_file_copy = copy;
    if (copy.moved) copy.moved(3 << 20);
    state_->while_busy();
    if (state_->life_cycle_error) return *state_->life_cycle_error;
    return state_->copied;
  }

  Result<void> tunnel(const std::string& sandbox, const TunnelRequest& request) override {
    if (find(sandbox) == nullptr) return missing(sandbox);
    state_->last_tunnel = request;
    request.opened(static_cast<std::uint16_t>(request.local.value_or(request.remote)));
    for (int i = 0; i < 2; ++i) request.refused("nobody listens on port 80");
    if (state_->life_cycle_error) return *state_->life_cycle_error;
    return {};
  }

  Result<SshAccess> ssh_access(const std::string& sandbox) override {
    if (find(sandbox) == nullptr) return missing(sandbox);
    return SshAccess{sandbox,
                     "tl-user",
                     "/home/me/a state/ssh/id_ed25519",
                     {"/usr/bin/tl", "--home", "/home/me/it's 100%", "sbx", "ssh", "--proxy", sandbox}};
  }

  Result<ExecOutcome> serve_ssh(const std::string& sandbox, const ResumeFirst& resume) override {
    ExecOptions options;
    options.command = {"sshd"};
    options.signals = resume.signals;
    options.progress = resume.progress;
    return exec(sandbox, options);
  }

  Result<SandboxInfo> expose(const std::string& sandbox, const std::vector<std::uint32_t>& ports) override {
    auto* record = find(sandbox);
    if (record == nullptr) return missing(sandbox);
    for (const std::uint32_t port : ports) {
      if (port == 0 || port > 65535) return Error{ErrorCode::kOutOfRange, "no port", {}};
      record->exposed_ports.push_back(static_cast<std::uint16_t>(port));
    }
    return describe(sandbox);
  }

  Result<SandboxInfo> unexpose(const std::string& sandbox, const std::vector<std::uint32_t>& ports) override {
    auto* record = find(sandbox);
    if (record == nullptr) return missing(sandbox);
    for (const std::uint32_t port : ports) {
      if (std::erase(record->exposed_ports, port) == 0)
        return Error{ErrorCode::kNotFound, "port " + std::to_string(port) + " is not exposed", {}};
    }
    return describe(sandbox);
  }

  Result<std::vector<SessionInfo>> sessions(const std::string& sandbox, const ResumeFirst& resume) override {
    if (resume.signals == -1) return Error{ErrorCode::kFailure, "sessions: cannot be given up", {}};
    if (find(sandbox) == nullptr) return missing(sandbox);
    return state_->sessions;
  }

  Result<ExecOutcome> attach(const std::string& sandbox, std::int64_t session,
                             const ResumeFirst& resume) override {
    if (resume.signals == -1) return Error{ErrorCode::kFailure, "attach: cannot be given up", {}};
    if (find(sandbox) == nullptr) return missing(sandbox);
    if (!has_session(session)) return Error{ErrorCode::kNotFound, "no such session", {}};
    return state_->program(ExecOptions{});
  }

  Result<void> remove_session(const std::string& sandbox, std::int64_t session, const ResumeFirst&) override {
    if (find(sandbox) == nullptr) return missing(sandbox);
    if (!has_session(session)) return Error{ErrorCode::kNotFound, "no such session", {}};
    std::erase_if(state_->sessions, [session](const SessionInfo& each) { return each.session == session; });
    return {};
  }

  Result<std::vector<ProcessRecord>> processes(const std::string& sandbox,
                                               const ResumeFirst& resume) override {
    if (resume.signals == -1) return Error{ErrorCode::kFailure, "processes: cannot be given up", {}};
    if (find(sandbox) == nullptr) return missing(sandbox);
    return state_->processes;
  }

  Result<void> end_process(const std::string& sandbox, const std::string& process, std::optional<int> signal,
                           const ResumeFirst&) override {
    if (find(sandbox) == nullptr) return missing(sandbox);
    const auto* found = find_process(process);
    if (found == nullptr) return Error{ErrorCode::kNotFound, "no process " + process, {}};
    if (found->finished_at) return Error{ErrorCode::kConflict, "process " + process + " has ended", {}};
    state_->last_signal = signal;
    return {};
  }

  Result<std::int64_t> restart_process(const std::string& sandbox, const std::string& process,
                                       const ResumeFirst&) override {
    if (find(sandbox) == nullptr) return missing(sandbox);
    const auto* found = find_process(process);
    if (found == nullptr) return Error{ErrorCode::kNotFound, "no process " + process, {}};
    if (!found->managed) return Error{ErrorCode::kConflict, "process " + process + " was not detached", {}};
    return found->pid + 1000;
  }

  Result<void> logs(const std::string& sandbox, const std::string& process, const LogOptions& options,
                    const TakeLog& take, const ResumeFirst&) override {
    if (find(sandbox) == nullptr) return missing(sandbox);
    if (find_process(process) == nullptr) return Error{ErrorCode::kNotFound, "no log", {}};
    state_->last_log = options;
    for (const auto& output : state_->log) {
      if (!take(output)) return {};
    }
    if (state_->log_error) return *state_->log_error;
    return {};
  }

  Result<SandboxInfo> terminate(const std::string& sandbox) override {
    auto* record = find(sandbox);
    if (record == nullptr) return missing(sandbox);
    record->status = registry::SandboxState::kTerminated;
    return SandboxInfo{*record, std::nullopt};
  }

  Result<std::vector<ImageInfo>> images() override { return state_->images; }
  Result<ImageDetails> import_image(const ImportRequest& request, const Progress& progress) override {
    state_->last_import = request;
    progress("layer 1 of 1");
    if (state_->import_error) return *state_->import_error;
    ImageDetails details = state_->image;
    details.image.name = request.name.value_or(details.image.name);
    return details;
  }
  Result<ImageDetails> describe_image(const std::string& name) override {
    if (name == state_->image.image.name) return state_->image;
    return Error{ErrorCode::kNotFound, "there is no image " + name, {}};
  }
  Result<void> remove_image(const std::string& name) override {
    if (name == state_->image.image.name) return {};
    return Error{ErrorCode::kNotFound, "there is no image " + name, {}};
  }
  Result<storage::ImageConfig> image_config(const std::string& image) override {
    if (image.find(' ') != std::string::npos) return Error{ErrorCode::kOutOfRange, "no name", {}};
    for (const auto& each : state_->images) {
      if (each.name == image) return state_->image_config;
    }
    return Error{ErrorCode::kNotFound, "no image " + image, {}};
  }
  Result<ImageInfo> register_image(const ImageRegistration& request, const Progress& progress) override {
    state_->last_registration = request;
    if (progress) progress("starting the machine");
    if (state_->image_error) return *state_->image_error;
    return ImageInfo{request.name, "sha256:" + std::string(64, 'a'), 1 << 20, {}, "from " + request.snapshot};
  }
  Result<ExportedImage> export_image(const ImageExport& request) override {
    state_->last_export = request;
    if (request.moved) request.moved(12345);
    if (state_->image_error) return *state_->image_error;
    return ExportedImage{request.path, "sha256:" + std::string(64, 'b'), 4096};
  }
  Result<HostReport> doctor() override { return state_->report; }

 private:
  static bool passes(ListFilter filter, registry::SandboxState status) {
    if (filter == ListFilter::kRunning) return status == registry::SandboxState::kRunning;
    if (filter == ListFilter::kSuspended) return status == registry::SandboxState::kSuspended;
    return true;
  }
  bool has_session(std::int64_t session) const {
    for (const auto& each : state_->sessions) {
      if (each.session == session) return true;
    }
    return false;
  }
  const ProcessRecord* find_process(const std::string& process) const {
    for (const auto& each : state_->processes) {
      if (each.name == process || std::to_string(each.pid) == process) return &each;
    }
    return nullptr;
  }
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
