// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/exposed_ports.hpp"

#include <algorithm>

namespace tl::monitor {

using guest::PortForward;

Result<std::unique_ptr<PortForward>> ExposedPorts::expose(std::uint16_t remote) {
  const auto refused = [this, remote](const std::string& why) { log_.debug("port {}: {}", remote, why); };
  auto forward = PortForward::listen(executor_, {remote, remote}, open_, refused);
  if (!forward) forward = PortForward::listen(executor_, {0, remote}, open_, refused);
  return forward;
}

Result<void> ExposedPorts::set(const std::vector<std::uint16_t>& remotes) {
  std::erase_if(forwards_, [&](const auto& held) {
    return std::find(remotes.begin(), remotes.end(), held.first) == remotes.end();
  });
  for (const std::uint16_t remote : remotes) {
    if (forwards_.contains(remote)) continue;
    auto forward = expose(remote);
    if (!forward) return forward.error();
    log_.info("port {} is at 127.0.0.1:{}", remote, (*forward)->ports().local);
    forwards_.emplace(remote, *std::move(forward));
  }
  return {};
}

std::vector<PortForward::Ports> ExposedPorts::list() const {
  std::vector<PortForward::Ports> ports;
  for (const auto& [remote, forward] : forwards_) ports.push_back(forward->ports());
  return ports;
}

}  // namespace tl::monitor
