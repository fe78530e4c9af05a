// SPDX-License-Identifier: Apache-2.0
#include "cli/sandbox_view.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/age.hpp"
#include "common/time.hpp"

namespace tl::cli {
namespace {

using Json = nlohmann::ordered_json;

Json time_json(const std::optional<registry::Time>& time) {
  return time ? Json(format_utc(*time)) : Json(nullptr);
}

Json network_json(const registry::NetworkPolicy& network) {
  return {{"allow_internet_access", !network.no_internet},
          {"allow_out", network.allow},
          {"deny_out", network.deny}};
}

Json seconds_json(const std::optional<std::chrono::seconds>& time) {
  return time ? Json(time->count()) : Json(nullptr);
}

Json live_json(const LiveInfo& live) {
  return {{"memory_used_bytes", live.memory_used_bytes},
          {"disk_used_bytes", live.disk_used_bytes},
          {"layers", live.layers},
          {"timeout_in_secs", seconds_json(live.until_timeout)},
          {"idle_timeout_in_secs", seconds_json(live.until_idle_timeout)}};
}

std::string joined(const std::vector<std::string>& words) {
  std::string result;
  for (const auto& word : words) result += (result.empty() ? "" : " ") + word;
  return result;
}

std::string timeout_text(std::uint64_t seconds, const std::optional<std::chrono::seconds>& left) {
  if (seconds == 0) return "none";
  return left ? fmt::format("{}s, strikes in {}", seconds, duration(*left)) : fmt::format("{}s", seconds);
}

// Collects the lines of describe.
class Details {
 public:
  void add(std::string_view label, std::string_view value) {
    text_ += fmt::format("{:<17}{}\n", fmt::format("{}:", label), printable(value));
  }
  void add_unless_empty(std::string_view label, std::string_view value) {
    if (!value.empty()) add(label, value);
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace

nlohmann::ordered_json sandbox_json(const SandboxInfo& sandbox) {
  const auto& record = sandbox.record;
  Json json;
  json["sandbox_id"] = record.sandbox_id;
  json["name"] = record.name ? Json(*record.name) : Json(nullptr);
  json["status"] = registry::state_key(record.status);
  json["image"] = record.image;
  json["image_digest"] = record.image_digest;
  json["snapshot_id"] = record.snapshot_id.empty() ? Json(nullptr) : Json(record.snapshot_id);
  json["resources"] = {{"cpus", record.resources.cpus},
                       {"memory_mb", record.resources.memory_mb},
                       {"disk_mb", record.resources.disk_mb}};
  json["accelerator"] = record.accelerator.empty() ? Json(nullptr) : Json(record.accelerator);
  json["timeout_secs"] = record.timeout_secs;
  json["idle_timeout_secs"] = record.idle_timeout_secs;
  json["entrypoint"] = record.entrypoint;
  json["network"] = network_json(record.network);
  json["exposed_ports"] = record.exposed_ports;
  json["created_at"] = format_utc(record.created_at);
  json["running_since"] = time_json(record.running_since);
  json["terminated_at"] = time_json(record.ended_at);
  json["reason"] = record.reason.empty() ? Json(nullptr) : Json(record.reason);
  if (sandbox.live) json["live"] = live_json(*sandbox.live);
  return json;
}

Table sandbox_table(const std::vector<SandboxInfo>& sandboxes, std::chrono::system_clock::time_point now) {
  Table table({"ID", "Name", "Status", "Image", "CPUs", "Memory", "Disk", "Created At"});
  for (const auto& [record, live] : sandboxes) {
    table.add({record.sandbox_id, record.name.value_or(""), std::string(registry::state_name(record.status)),
               record.image, fmt::format("{}", record.resources.cpus),
               fmt::format("{} MB", record.resources.memory_mb),
               fmt::format("{} MB", record.resources.disk_mb), age(record.created_at, now)});
  }
  return table;
}

std::string sandbox_details(const SandboxInfo& sandbox, std::chrono::system_clock::time_point now) {
  const auto& record = sandbox.record;
  Details details;
  details.add("ID", record.sandbox_id);
  details.add("Name", record.name.value_or(""));
  details.add("Status", registry::state_name(record.status));
  details.add("Image", record.image);
  details.add_unless_empty("Snapshot", record.snapshot_id);
  details.add("CPUs", fmt::format("{}", record.resources.cpus));
  details.add("Memory", fmt::format("{} MB", record.resources.memory_mb));
  details.add("Disk", fmt::format("{} MB", record.resources.disk_mb));
  details.add_unless_empty("Accelerator", record.accelerator);
  const auto& network = record.network;
  details.add("Internet", network.no_internet ? "blocked" : network.allow.empty() ? "allowed" : "limited");
  details.add_unless_empty("Network allow", joined(network.allow));
  details.add_unless_empty("Network deny", joined(network.deny));
  details.add("Created", age(record.created_at, now));
  details.add("Timeout",
              timeout_text(record.timeout_secs, sandbox.live ? sandbox.live->until_timeout : std::nullopt));
  details.add("Idle timeout", timeout_text(record.idle_timeout_secs,
                                           sandbox.live ? sandbox.live->until_idle_timeout : std::nullopt));
  details.add("Entrypoint", joined(record.entrypoint));
  if (sandbox.live) {
    details.add("Memory used", size(sandbox.live->memory_used_bytes));
    details.add("Disk used", size(sandbox.live->disk_used_bytes));
    details.add("Layers", fmt::format("{}", sandbox.live->layers));
    for (const auto& [remote, local] : sandbox.live->ports)
      details.add(fmt::format("Port {}", remote), fmt::format("127.0.0.1:{}", local));
  }
  if (record.ended_at) details.add("Terminated", age(*record.ended_at, now));
  details.add_unless_empty("Reason", record.reason);
  return details.take();
}

const std::string& handle_of(const SandboxInfo& sandbox) {
  return sandbox.record.name ? *sandbox.record.name : sandbox.record.sandbox_id;
}

std::string json_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace tl::cli
