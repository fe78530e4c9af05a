// SPDX-License-Identifier: Apache-2.0
// Which ports of a sandbox are held open here. The record says it; the monitor does it.
#include <algorithm>

#include <fmt/format.h>

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

Result<void> remove(SandboxRecord& record, const std::vector<std::uint32_t>& ports) {
  for (const std::uint32_t port : ports) {
    if (std::erase(record.exposed_ports, port) == 0) {
      return Error{ErrorCode::kNotFound, fmt::format("port {} of {} is not exposed", port, handle(record)),
                   fmt::format("`tl sbx port ls {}` lists those that are", handle(record))};
    }
  }
  return {};
}

}  // namespace

Result<void> LocalRuntime::change_ports(
    const std::string& sandbox, const std::function<Result<void>(SandboxRecord&)>& change) {
  const auto found = registry_.find(sandbox);
  if (!found) return found.error();
  auto record = registry_.update(found->sandbox_id, [&](SandboxRecord& changed) -> Result<void> {
    if (changed.status == registry::SandboxState::kTerminated) return not_live(changed);
    return change(changed);
  });
  if (!record) return record.error();
  if (is_live(*record)) {
    const auto told = tell_monitor(record->sandbox_id, monitor::kPortsPath, AfterAnswer::kReturn, kLimit);
    const auto now = registry_.read(record->sandbox_id);
    if (!now) return now.error();
    // One that was suspended meanwhile holds them when it is resumed.
    if (!told && now->status != registry::SandboxState::kSuspended)
      return told.error().within("change the ports of " + handle(*record));
  }
  return {};
}

Result<SandboxInfo> LocalRuntime::expose(const std::string& sandbox, const std::vector<std::uint32_t>& ports) {
  const auto changed =
      change_ports(sandbox, [&](SandboxRecord& record) -> Result<void> { return expose_ports(record, ports); });
  if (!changed) return changed.error();
  return describe(sandbox);
}

Result<SandboxInfo> LocalRuntime::unexpose(const std::string& sandbox,
                                           const std::vector<std::uint32_t>& ports) {
  const auto changed =
      change_ports(sandbox, [&](SandboxRecord& record) -> Result<void> { return remove(record, ports); });
  if (!changed) return changed.error();
  return describe(sandbox);
}

}  // namespace tl
