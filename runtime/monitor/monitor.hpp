// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "common/async_event.hpp"
#include "common/http2/stream.hpp"
#include "common/log.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/agent_client.hpp"
#include "runtime/machine/kvm/vm.hpp"
#include "runtime/monitor/assembly.hpp"
#include "runtime/monitor/control_server.hpp"
#include "runtime/monitor/exposed_ports.hpp"
#include "runtime/monitor/launch.hpp"
#include "runtime/registry/registry.hpp"

namespace tl::monitor {

// The life of one sandbox, from Pending to Terminated, in the process that owns it. One thread, the
// io_context's.
//
// Whatever can end the sandbox (the guest, a timeout, `terminate`, a signal, a creator that went away) only
// says so; the first one wins, and run() then takes everything down in one order: connections, machine, disk,
// record, work folder. The life lock is the process's last possession.
class Monitor {
 public:
  struct Options {
    registry::SandboxRecord record;
    std::string home;              // the state folder
    std::filesystem::path kernel;  // what the machine is made from
    std::filesystem::path image;
    std::string cpu;  // as LaunchSpec has them
    std::string template_key, template_details;
    Origin origin = Origin::kBoot;
    std::vector<std::byte> entrypoint, warm_up;
    Lifetime lifetime = Lifetime::kOwn;
    std::future<Result<machine::kvm::Vm>> vm;  // of a kvm machine, from Vm::begin()
    Result<network::Gateway::Beginning> network = Error{ErrorCode::kFailure, "there is no network", ""};
    UniqueFd life_lock;  // inherited, held
    UniqueFd creator;    // our end of the creator's socket pair
    UniqueFd listener;   // the control socket
  };

  // `log` outlives the monitor.
  Monitor(asio::io_context& context, Options options, const Log& log);

  // Starts the sandbox, serves it and returns when it has ended and its space is free; then the io_context
  // stops. The error is why it could not be started; the creator has been told, or finds it in the record if
  // it did not wait.
  asio::awaitable<Result<void>> run();

 private:
  using StreamPtr = std::shared_ptr<http2::Stream>;
  // How long a machine whose agent link broke may take to say why it ended.
  static constexpr std::chrono::seconds kExitGrace{2};

  // The way up.
  Result<void> prepare();
  asio::awaitable<Result<void>> start_machine();
  Result<void> settle();
  asio::awaitable<Result<void>> boot();
  asio::awaitable<void> configure();
  asio::awaitable<Result<void>> configure_agent();
  // Success: agent_ is there. To be called without one, on a link where the agent has no session unless the
  // guest was restored.
  asio::awaitable<Result<void>> connect_agent(UniqueFd link);
  // Whatever goes wrong with the template: the error is that of a sandbox that cannot go on
  // (monitor_template.cpp).
  asio::awaitable<Result<void>> make_template();
  asio::awaitable<void> warm_up();
  // Ends the agent's session, and notes what a first command and that write to, where the machine can tell.
  asio::awaitable<Result<UniqueFd>> part_noting(std::string* first_writes);
  // After the first command: those who start from the same template profit from what this one needed.
  void amend_template();
  asio::awaitable<Result<void>> start_entrypoint();
  Result<void> become(registry::SandboxState state, std::string reason = "");
  void report_launch(const std::optional<Error>& error);
  // The way down.
  void end(std::string reason);
  // The same for an end that nobody asked us for, be it the guest's own doing: what has a name keeps its
  // disk.
  void crash(std::string reason);
  void finish();
  Result<void> leave_record();

  // What keeps the sandbox, one at a time (monitor_keeping.cpp).
  enum class Kind { kDisk, kMachine };
  Result<void> begin_keeping(registry::SandboxState state);
  void end_keeping();
  asio::awaitable<Result<void>> suspend();
  asio::awaitable<Result<void>> quiesce_and_write_back();
  asio::awaitable<Result<void>> save_and_stop();
  asio::awaitable<Result<void>> checkpoint(Kind kind, std::string key);
  asio::awaitable<Result<void>> checkpoint_disk(std::filesystem::path folder);
  asio::awaitable<Result<void>> checkpoint_machine(std::filesystem::path folder);
  // The machine and its disk of one moment, into the folder of a snapshot or template. The guest stands still
  // for the first part; both parts are due, whatever comes of the first.
  struct Moment {
    Result<void> kept;
    std::optional<ForkedWriter> writer;
  };
  enum class Process { kLeft, kKept };  // Assembly::keep_process
  asio::awaitable<Moment> take_moment(std::filesystem::path folder, Durability durability,
                                      Process process = Process::kLeft);
  asio::awaitable<Result<void>> write_moment(Moment moment, std::filesystem::path folder);
  asio::awaitable<Result<void>> keep_template(std::filesystem::path folder);
  asio::awaitable<void> flatten_disk();
  asio::awaitable<void> answer_suspend(StreamPtr stream, bool soon);
  asio::awaitable<void> answer_checkpoint(StreamPtr stream, Kind kind, std::string key);
  void answer(http2::Stream& stream, const Result<void>& outcome);

  asio::awaitable<void> watch_creator();
  asio::awaitable<void> watch_signals();
  asio::awaitable<void> watch_folder();
  asio::awaitable<void> watch_machine();
  asio::awaitable<void> watch_agent();
  asio::awaitable<void> watch_timeouts();
  asio::awaitable<void> time_out(std::string reason);
  [[nodiscard]] std::optional<std::chrono::seconds> until_timeout() const;
  [[nodiscard]] std::optional<std::chrono::seconds> until_idle_timeout() const;

  // What is asked over the control socket (monitor_serving.cpp).
  void serve(StreamPtr stream);
  asio::awaitable<void> pass_to_agent(StreamPtr stream);
  asio::awaitable<void> report_status(StreamPtr stream);
  asio::awaitable<void> start_syncing(StreamPtr stream);
  asio::awaitable<void> apply_network_policy(StreamPtr stream);
  asio::awaitable<void> apply_ports(StreamPtr stream);
  // A connection to a port inside, which keeps the sandbox busy until it ends.
  Result<StreamPtr> open_connection(const std::string& path);
  asio::awaitable<void> watch_connection(StreamPtr stream);

  asio::io_context& context_;
  Options options_;
  const Log& log_;

  registry::SandboxRecord record_;
  std::optional<registry::Registry> registry_;  // from settle() on, and with it the life lock
  std::optional<registry::LifeLock> life_;
  std::unique_ptr<Assembly> assembly_;
  std::unique_ptr<guest::AgentClient> agent_;
  ExposedPorts ports_;
  ControlServer control_;
  asio::posix::stream_descriptor creator_;
  bool accepted_ = false;  // the creator has taken the sandbox over
  const bool is_new_;      // its record was Pending: until it is accepted, its creator may take it back
  bool ready_ = false;
  bool amended_ = false;       // the template, or tried
  bool keeping_ = false;       // a suspend or checkpoint is under way
  bool suspended_ = false;     // all of it is on disk, and the record says so
  bool crashed_ = false;       // nobody wished for the end
  bool removed_ = false;       // the state folder is
  unsigned busy_streams_ = 0;  // commands that are being served
  std::chrono::steady_clock::time_point idle_since_ = std::chrono::steady_clock::now();
  std::optional<Result<void>> configured_;
  std::optional<std::string> end_;  // the reason
  AsyncEvent changed_;              // ready_, configured_, end_, keeping_
};

}  // namespace tl::monitor
