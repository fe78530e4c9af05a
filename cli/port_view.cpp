// SPDX-License-Identifier: Apache-2.0
#include "cli/port_view.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tl::cli {

std::string address_of(const SandboxInfo& sandbox, std::uint32_t port) {
  if (!sandbox.live) return "";
  for (const auto& [remote, local] : sandbox.live->ports) {
    if (remote == port) return fmt::format("127.0.0.1:{}", local);
  }
  return "";
}

nlohmann::ordered_json ports_json(const SandboxInfo& sandbox) {
  auto ports = nlohmann::ordered_json::array();
  for (const std::uint16_t port : sandbox.record.exposed_ports) {
    const std::string address = address_of(sandbox, port);
    nlohmann::ordered_json json;
    json["port"] = port;
    json["address"] = address.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(address);
    ports.push_back(std::move(json));
  }
  return ports;
}

Table port_table(const SandboxInfo& sandbox) {
  Table table({"Port", "Address"});
  for (const std::uint16_t port : sandbox.record.exposed_ports)
    table.add({std::to_string(port), address_of(sandbox, port)});
  return table;
}

}  // namespace tl::cli
