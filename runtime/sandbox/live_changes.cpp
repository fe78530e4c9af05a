// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/control.hpp"
#include "runtime/sandbox/limits.hpp"
#include "runtime/sandbox/liveness.hpp"
#include "runtime/sandbox/local_runtime.hpp"

namespace tl {
namespace {

using namespace std::chrono_literals;
using registry::SandboxRecord;

// One that is still booting, or being saved, answers when that is done.
constexpr auto kLimit = 180s;

}  // namespace

// The record comes first: a monitor that starts meanwhile has the change from there.
Result<SandboxRecord> LocalRuntime::change_live(const std::string& sandbox, const char* path,
                                                const std::function<Result<void>(SandboxRecord&)>& change) {
  auto record = registry_.find(sandbox);
  if (!record) return record.error();
  const std::string id = record->sandbox_id;
  record = registry_.update(id, [&](SandboxRecord& changed) -> Result<void> {
    if (changed.status == registry::SandboxState::kTerminated) return not_live(changed);
    return change(changed);
  });
  if (!record || !is_live(*record)) return record;
  const auto told = tell_monitor(id, path, AfterAnswer::kReturn, kLimit);
  record = registry_.read(id);
  if (!record) return record;
  // One that was suspended meanwhile has it when it is resumed.
  if (!told && record->status != registry::SandboxState::kSuspended)
    return told.error().within("update " + handle(*record));
  return record;
}

Result<SandboxInfo> LocalRuntime::set_network(const std::string& sandbox,
                                              const registry::NetworkPolicy& policy) {
  if (auto valid = check_network_policy(policy); !valid) return valid.error();
  auto record = change_live(sandbox, monitor::kNetworkPath, [&](SandboxRecord& changed) {
    changed.network = policy;
    return Result<void>();
  });
  if (!record) return record.error();
  return SandboxInfo{*std::move(record), std::nullopt};
}

}  // namespace tl
