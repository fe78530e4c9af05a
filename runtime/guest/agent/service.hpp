// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/async_event.hpp"
#include "common/http2/session.hpp"
#include "common/log.hpp"
#include "runtime/guest/agent/exec.hpp"
#include "runtime/guest/protocol/messages.hpp"

namespace tl::guest {

// Answers the requests of PROTOCOL.md. One io_context thread; lives as long as the process.
class Service {
 public:
  // What depends on being PID 1 of a sandbox, and is something else in tests.
  struct Guest {
    std::function<ConfigureReport(const Configuration&)> configure;
    std::function<Metrics()> metrics;
  };

  Service(ExecContext& exec, Guest guest, Log log);

  // For http2::Session. Never throws.
  void accept(std::shared_ptr<http2::Stream> stream) noexcept;

  // How far the boot has come. Requests wait for what they need, because the link is up before the root disk
  // is: a configuration for the disk, everything else for the whole.
  enum class Stage { kLink, kRootDisk, kWhole };
  void reach(Stage stage);

 private:
  asio::awaitable<void> serve(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> configure(std::shared_ptr<http2::Stream> stream);

  ExecContext& exec_;
  Guest guest_;
  Log log_;
  AsyncEvent reached_;
  Stage stage_ = Stage::kLink;
};

}  // namespace tl::guest
