// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/registry/schema.hpp"
#include "runtime/registry/state.hpp"

namespace tl::registry {

// Times in records have whole milliseconds, as their spelling in documents.
using Time = std::chrono::time_point<std::chrono::system_clock>;

struct Resources {
  double cpus = 1.0;
  std::uint32_t memory_mb = 1024;
  std::uint32_t disk_mb = 10240;
  bool operator==(const Resources&) const = default;
};

struct NetworkPolicy {
  bool no_internet = false;
  std::vector<std::string> allow;  // IPv4, CIDR or host name; empty: everything not denied
  std::vector<std::string> deny;
  bool operator==(const NetworkPolicy&) const = default;
};

// What is known about one sandbox, living or ended. Plain data: what may change when is the Registry's
// business, the spelling in JSON that of document.hpp. A new field goes there and into record_index.cpp too.
struct SandboxRecord {
  SchemaVersion schema = kSchema;
  std::string sandbox_id;
  std::optional<std::string> name;  // kept after the end for people, though free for others by then
  SandboxState status = SandboxState::kPending;
  std::string image;
  std::string image_digest;  // "sha256:…"
  Resources resources;
  std::uint64_t timeout_secs = 0;       // 0: none
  std::uint64_t idle_timeout_secs = 0;  // 0: none
  Time created_at{};
  std::optional<Time> running_since;  // when it last became Running
  std::optional<Time> ended_at;       // when it was Terminated
  std::string reason;                 // of the end, or "memory lost" and why
  std::string accelerator;            // "tcg", "kvm"; empty until chosen
  std::vector<std::string> entrypoint;
  NetworkPolicy network;
  std::vector<std::uint16_t> exposed_ports;
  std::string snapshot_id;  // what it was made from; empty: an image
  int monitor_pid = 0;      // for people only: the life lock tells who lives

  [[nodiscard]] SandboxKind kind() const { return name ? SandboxKind::kNamed : SandboxKind::kEphemeral; }
  bool operator==(const SandboxRecord&) const = default;
};

// The present, in whole milliseconds.
Time now();

}  // namespace tl::registry
