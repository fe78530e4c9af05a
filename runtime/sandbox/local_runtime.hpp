// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "runtime/monitor/launch.hpp"
#include "runtime/registry/registry.hpp"
#include "runtime/sandbox/runtime.hpp"

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
  Result<ExecOutcome> exec(const std::string& sandbox, const ExecOptions& options) override;
  Result<SandboxInfo> terminate(const std::string& sandbox) override;
  Result<std::vector<ImageInfo>> images() override;
  Result<HostReport> doctor() override;

 private:
  // A sandbox to be made, and the files that it is made from.
  struct Draft {
    registry::SandboxRecord record;
    std::filesystem::path kernel;
    std::filesystem::path image;
  };
  Result<Draft> draft(const CreateRequest& request);
  Result<monitor::Launch> launch(const Draft& draft, registry::LifeLock life, const CreateRequest& request);
  Result<registry::SandboxRecord> wait_running(const std::string& id, monitor::Launch& launch,
                                               const CreateRequest& request);
  Result<UniqueFd> connect(const std::string& id);
  // Makes the disk of a live ephemeral sandbox one that outlives the host's next power failure.
  Result<void> keep_disk(const registry::SandboxRecord& record);
  // Returns when no monitor of the sandbox is left.
  Result<void> end_monitor(const std::string& id);
  // Why a sandbox that was there a moment ago no longer answers.
  Error explain_loss(const std::string& id, const Error& loss);

  RuntimeOptions options_;
  registry::Registry registry_;
  // Of the sandboxes that end with us.
  std::map<std::string, monitor::Launch> companions_;
};

}  // namespace tl
