// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/sandbox/runtime.hpp"

namespace tl::cli::test {

// A state folder in memory, with as much sense as the command line can tell. Shared, so that a test can look
// at what is left of it after a command line. Exec "runs" `program`.
struct FakeState {
  std::vector<registry::SandboxRecord> records;  // newest first
  std::vector<ImageInfo> images;
  ImageDetails image;  // the one that import_image() makes and describe_image() knows
  std::optional<ImportRequest> last_import;
  std::optional<Error> import_error;
  storage::ImageConfig image_config;  // of each
  HostReport report{{}, true};
  std::vector<DamagedRecord> damaged;
  std::vector<std::string> warnings;
  std::optional<Error> create_error;
  std::function<ExecOutcome(const ExecOptions&)> program = [](const ExecOptions&) { return ExecOutcome{}; };
  std::function<void()> while_creating = [] {};
  std::vector<snapshot::SnapshotManifest> snapshots;  // newest first
  std::vector<std::string> snapshot_problems;
  std::optional<std::string> memory_lost;  // what resume() finds
  std::optional<Error>
      life_cycle_error;  // of suspend(), resume(), checkpoint(), copy(), copy_files() and prune()
  std::function<void()> while_busy = [] {};  // in resume(), copy() and copy_files()
  Pruned pruned;
  std::optional<TunnelRequest> last_tunnel;
  std::vector<ExposedPort> ports;  // of every sandbox
  std::vector<SessionInfo> sessions;
  std::vector<ProcessRecord> processes;
  std::vector<LogOutput> log;      // of each managed process
  std::optional<Error> log_error;  // behind it
  std::optional<int> last_signal;
  std::optional<LogOptions> last_log;

  RuntimeOptions opened_with;
  std::optional<CreateRequest> last_create;
  std::optional<ExecOptions> last_exec;
  std::optional<CreateWait> last_wait;
  std::optional<CheckpointRequest> last_checkpoint;
  std::optional<CopyRequest> last_copy;
  std::optional<FileCopy> last_file_copy;
  std::optional<ImageRegistration> last_registration;
  std::optional<ImageExport> last_export;
  std::optional<Error> image_error;  // of register_image() and export_image()
  FilesCopied copied;                // what copy_files() did
  int times_opened = 0;
};

}  // namespace tl::cli::test
