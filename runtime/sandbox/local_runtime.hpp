// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/monitor/launch.hpp"
#include "runtime/registry/registry.hpp"
#include "runtime/sandbox/control_client.hpp"
#include "runtime/sandbox/exec_client.hpp"
#include "runtime/sandbox/files_end.hpp"
#include "runtime/sandbox/runtime.hpp"
#include "runtime/snapshot/snapshot_store.hpp"
#include "runtime/storage/image_manifest.hpp"

namespace tl {

// Runtime on this machine: the registry for what is known, a monitor process a sandbox for what is alive.
class LocalRuntime final : public Runtime {
 public:
  LocalRuntime(RuntimeOptions options, registry::Registry registry)
      : options_(std::move(options)), registry_(std::move(registry)) {}

  Result<Created> create(const CreateRequest& request, const Progress& progress) override;
  Result<SandboxList> list(ListFilter filter) override;
  Result<SandboxInfo> describe(const std::string& sandbox) override;
  Result<SandboxInfo> rename(const std::string& sandbox, const std::string& new_name) override;
  Result<SandboxInfo> set_network(const std::string& sandbox, const registry::NetworkPolicy& policy) override;
  Result<SandboxInfo> suspend(const std::string& sandbox, CreateWait wait) override;
  Result<Resumed> resume(const std::string& sandbox, CreateWait wait, int signals,
                         const Progress& progress) override;
  Result<snapshot::SnapshotManifest> checkpoint(const std::string& sandbox,
                                                const CheckpointRequest& request) override;
  Result<SnapshotList> checkpoints() override;
  Result<snapshot::SnapshotManifest> remove_checkpoint(const std::string& snapshot) override;
  Result<std::vector<Created>> copy(const std::string& sandbox, const CopyRequest& request,
                                    const Progress& progress) override;
  Result<Pruned> prune() override;
  Result<ExecOutcome> exec(const std::string& sandbox, const ExecOptions& options) override;
  Result<FilesCopied> copy_files(const FileCopy& copy) override;
  Result<void> tunnel(const std::string& sandbox, const TunnelRequest& request) override;
  Result<SshAccess> ssh_access(const std::string& sandbox) override;
  Result<ExecOutcome> serve_ssh(const std::string& sandbox, const ResumeFirst& resume) override;
  Result<SandboxInfo> expose(const std::string& sandbox, const std::vector<std::uint32_t>& ports) override;
  Result<SandboxInfo> unexpose(const std::string& sandbox, const std::vector<std::uint32_t>& ports) override;
  Result<std::vector<SessionInfo>> sessions(const std::string& sandbox, const ResumeFirst& resume) override;
  Result<ExecOutcome> attach(const std::string& sandbox, std::int64_t session,
                             const ResumeFirst& resume) override;
  Result<void> remove_session(const std::string& sandbox, std::int64_t session,
                              const ResumeFirst& resume) override;
  Result<std::vector<ProcessRecord>> processes(const std::string& sandbox,
                                               const ResumeFirst& resume) override;
  Result<void> end_process(const std::string& sandbox, const std::string& process, std::optional<int> signal,
                           const ResumeFirst& resume) override;
  Result<std::int64_t> restart_process(const std::string& sandbox, const std::string& process,
                                       const ResumeFirst& resume) override;
  Result<void> logs(const std::string& sandbox, const std::string& process, const LogOptions& options,
                    const TakeLog& take, const ResumeFirst& resume) override;
  Result<SandboxInfo> terminate(const std::string& sandbox) override;
  Result<std::vector<ImageInfo>> images() override;
  Result<ImageDetails> import_image(const ImportRequest& request, const Progress& progress) override;
  Result<ImageDetails> describe_image(const std::string& name) override;
  Result<void> remove_image(const std::string& name) override;
  Result<storage::ImageConfig> image_config(const std::string& image) override;
  Result<ImageInfo> register_image(const ImageRegistration& request, const Progress& progress) override;
  Result<ExportedImage> export_image(const ImageExport& request) override;
  Result<HostReport> doctor() override;

 private:
  // A sandbox to be started, and what it is made from.
  struct Draft {
    registry::SandboxRecord record;
    std::filesystem::path kernel;
    std::filesystem::path image;
    storage::ImageConfig config;
    std::string cpu;  // monitor::LaunchSpec has the rest
    std::string template_key, template_details;
    monitor::Origin origin = monitor::Origin::kBoot;
    std::filesystem::path source;  // a folder with a frozen disk, and a machine unless it boots; empty: none
    std::optional<snapshot::ArtefactPin> pin;  // keeps the source there
    std::optional<monitor::Launch> monitor;    // makes itself ready meanwhile, for record.sandbox_id
  };
  Result<Draft> draft(const CreateRequest& request);
  Result<Draft> draft_of_image(const CreateRequest& request);
  Result<Draft> draft_of_snapshot(const CreateRequest& request, const std::string& snapshot);
  // What a sandbox of that record needs of the host, found again.
  Result<Draft> draft_again(const registry::SandboxRecord& record);
  // Boots from nothing, or goes on from a template, where there is one.
  void look_for_template(Draft& draft);
  Result<Created> create_from(Draft draft, const CreateRequest& request, const Progress& progress);
  // The rest of create_from(), from where there is something to be taken back. `foreseen`: the ID that the
  // draft's monitor was begun with.
  Result<registry::SandboxRecord> start_made(Draft& draft, const std::string& foreseen,
                                             registry::Registry::Created made, const CreateRequest& request);
  Result<void> furnish(const Draft& draft);
  // Starts the draft's monitor, for a sandbox that need not be there yet.
  Result<void> begin_monitor(Draft& draft);
  Result<monitor::LaunchSpec> orders(const Draft& draft, registry::LifeLock life, const UniqueFd& work,
                                     const CreateRequest& request);
  // The sandbox is there, and the monitor's from now on.
  Result<registry::SandboxRecord> bring_up(const std::string& id, monitor::Launch& launch,
                                           monitor::LaunchSpec orders, const CreateRequest& request);
  Result<UniqueFd> connect(const std::string& id);
  // A live one, resumed when it was suspended.
  Result<registry::SandboxRecord> find_running(const std::string& sandbox, const ResumeFirst& resume);
  // Moves the bytes of an execution, with a terminal of ours or without.
  Result<ExecOutcome> converse(const registry::SandboxRecord& record, const ExecStart& start,
                               ExecStreams streams);
  // One request to the agent of a running sandbox; the answer's body.
  Result<std::string> ask_agent(const registry::SandboxRecord& record, const char* path,
                                std::vector<std::byte> body);
  // The sandbox of one end of a copy, awake and waiting for the request.
  Result<FilesEnd> reach(const FilePlace& place, const FileCopy& copy);
  // Changes the record of a live sandbox and, by a request at `path`, lets its monitor do as it says then.
  Result<registry::SandboxRecord> change_live(
      const std::string& sandbox, const char* path,
      const std::function<Result<void>(registry::SandboxRecord&)>& change);
  // Makes the disk of a live ephemeral sandbox one that outlives the host's next power failure.
  Result<void> keep_disk(const registry::SandboxRecord& record);
  // The life lock of a sandbox that is suspended, or about to be; nothing when it is anything else by the
  // time that it could be had.
  Result<std::optional<registry::LifeLock>> take_suspended(const std::string& id);
  Result<Resumed> start_again(const registry::SandboxRecord& record, registry::LifeLock life,
                              const CreateRequest& how, const Progress& progress);
  // What the sandbox is now into the folder of a draft, by its monitor or, when it is suspended, by us.
  Result<void> keep(const registry::SandboxRecord& record, CheckpointType type,
                    const snapshot::ArtefactDraft& draft, std::chrono::milliseconds limit);
  Result<void> keep_suspended(const registry::SandboxRecord& record, CheckpointType type,
                              const std::filesystem::path& folder);
  // Whether a suspended sandbox has its memory is for its files to say: a kill between those and the record
  // leaves the record behind.
  void tell_memory(registry::SandboxRecord& record);
  // What killed makers of snapshots and templates have left.
  Result<std::size_t> sweep_artefacts();
  // A request that the monitor answers with a report.
  Result<void> tell_monitor(const std::string& id, const std::string& path, AfterAnswer after,
                            std::chrono::milliseconds limit);
  Result<snapshot::SnapshotStore> snapshots();
  // What was made from an image and is not terminated.
  struct ImageUsers {
    std::vector<std::string> sandboxes;
    std::vector<std::string> snapshots;
  };
  Result<ImageUsers> users_of_image(const std::string& digest);
  // Layers from registries, and images that nothing and nobody calls by a name any more.
  Result<void> prune_images(Pruned& pruned);
  // A snapshot that is not removed while this is held, or one of ours.
  struct FoundSnapshot {
    snapshot::SnapshotManifest manifest;
    std::filesystem::path path;
    std::optional<snapshot::ArtefactPin> pin;
  };
  Result<FoundSnapshot> find_snapshot(const std::string& snapshot);
  // The disk of a running sandbox in a draft.
  Result<snapshot::ArtefactDraft> freeze_in_draft(const registry::SandboxRecord& record);
  // The disk of a snapshot, booted and frozen again, in a draft that is never committed.
  Result<snapshot::ArtefactDraft> finish_disk(const snapshot::SnapshotManifest& snapshot, int signals,
                                              const Progress& progress);
  // Returns when no monitor of the sandbox is left.
  Result<void> end_monitor(const std::string& id);
  // Why a sandbox that was there a moment ago no longer answers.
  Error explain_loss(const std::string& id, const Error& loss);

  RuntimeOptions options_;
  registry::Registry registry_;
  // Of the sandboxes that end with us.
  std::map<std::string, monitor::Launch> companions_;
  // Snapshots that end with us, by ID: never committed, and swept when we die.
  struct OwnSnapshot {
    snapshot::SnapshotManifest manifest;
    snapshot::ArtefactDraft draft;
  };
  std::map<std::string, OwnSnapshot> own_snapshots_;
};

}  // namespace tl
