// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/async_event.hpp"
#include "common/http2/session.hpp"
#include "common/log.hpp"
#include "runtime/guest/agent/exec.hpp"
#include "runtime/guest/agent/processes.hpp"
#include "runtime/guest/agent/quiescence.hpp"
#include "runtime/guest/agent/root_freeze.hpp"
#include "runtime/guest/agent/terminals.hpp"
#include "runtime/guest/protocol/messages.hpp"

namespace tl::guest {

// Answers the requests of PROTOCOL.md. One io_context thread; lives as long as the process.
class Service {
 public:
  // What depends on being PID 1 of a sandbox, and is something else in tests.
  struct Guest {
    std::function<asio::awaitable<ConfigureReport>(Configuration)> configure;
    // What is left of it for a guest that goes on from a template; does not wait for anything.
    std::function<ConfigureReport(const Configuration&)> take_identity;
    std::function<Metrics()> metrics;
  };

  // What makes the guest stand still.
  struct Pauses {
    RootFreeze& freeze;
    Quiescence& quiescence;
  };

  // What goes on without its client.
  struct Commands {
    Terminals& terminals;
    Processes& processes;
  };

  Service(ExecContext& exec, Commands commands, Pauses pauses, Guest guest, Log log);

  // For Link. Never throws.
  void accept(std::shared_ptr<http2::Stream> stream) noexcept;
  void session_ended() { pauses_.freeze.abandon(); }

  // How far the boot has come. Requests wait for what they need, because the link is up before the root disk
  // is: a configuration for the disk, everything else for the whole.
  enum class Stage { kLink, kRootDisk, kWhole };
  void reach(Stage stage);

 private:
  using Handler = asio::awaitable<void> (Service::*)(std::shared_ptr<http2::Stream>);
  static Handler handler_of(std::string_view path);

  asio::awaitable<void> serve(std::shared_ptr<http2::Stream> stream);
  // The request that an execution begins with, once commands may start; the response has begun. None: the
  // client has gone meanwhile, or does not keep to the protocol.
  asio::awaitable<std::optional<std::vector<std::byte>>> begin(std::shared_ptr<http2::Stream> stream,
                                                               FrameReader* frames);
  asio::awaitable<void> execute(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> move_files(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> connect(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> attach_terminal(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> list_terminals(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> remove_terminal(std::shared_ptr<http2::Stream> stream);
  // service_processes.cpp
  asio::awaitable<void> list_processes(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> signal_process(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> restart_process(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> show_log(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> measure(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> configure(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> freeze(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> thaw(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> write_back(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> quiesce(std::shared_ptr<http2::Stream> stream);
  asio::awaitable<void> release(std::shared_ptr<http2::Stream> stream);

  ExecContext& exec_;
  Terminals& terminals_;
  Processes& processes_;
  Pauses pauses_;
  Guest guest_;
  Log log_;
  AsyncEvent reached_;
  Stage stage_ = Stage::kLink;
};

}  // namespace tl::guest
