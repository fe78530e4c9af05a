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

using registry::SandboxRecord;

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

Result<SandboxInfo> LocalRuntime::expose(const std::string& sandbox,
                                         const std::vector<std::uint32_t>& ports) {
  const auto changed = change_live(sandbox, monitor::kPortsPath,
                                   [&](SandboxRecord& record) { return expose_ports(record, ports); });
  if (!changed) return changed.error();
  return describe(sandbox);
}

Result<SandboxInfo> LocalRuntime::unexpose(const std::string& sandbox,
                                           const std::vector<std::uint32_t>& ports) {
  const auto changed =
      change_live(sandbox, monitor::kPortsPath, [&](SandboxRecord& record) { return remove(record, ports); });
  if (!changed) return changed.error();
  return describe(sandbox);
}

}  // namespace tl
