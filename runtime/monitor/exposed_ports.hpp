// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include <asio/any_io_executor.hpp>

#include "common/log.hpp"
#include "common/result.hpp"
#include "runtime/guest/port_forward.hpp"

namespace tl::monitor {

// The ports of a running sandbox that are held open on this machine's 127.0.0.1: each at the port of the same
// number where that is free and ours to take, else at any. One io_context thread.
class ExposedPorts {
 public:
  // `log` outlives it.
  ExposedPorts(asio::any_io_executor executor, guest::PortForward::OpenStream open, const Log& log)
      : executor_(std::move(executor)), open_(std::move(open)), log_(log) {}

  // From now on these and no others. Those that were held already keep their place here.
  Result<void> set(const std::vector<std::uint16_t>& remotes);
  // By the port inside.
  [[nodiscard]] std::vector<guest::PortForward::Ports> list() const;

 private:
  Result<std::unique_ptr<guest::PortForward>> expose(std::uint16_t remote);

  asio::any_io_executor executor_;
  guest::PortForward::OpenStream open_;
  const Log& log_;
  std::map<std::uint16_t, std::unique_ptr<guest::PortForward>> forwards_;
};

}  // namespace tl::monitor
