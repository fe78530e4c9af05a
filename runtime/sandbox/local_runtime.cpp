// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/local_runtime.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "common/data_folders.hpp"
#include "runtime/monitor/control.hpp"
#include "runtime/sandbox/control_client.hpp"
#include "runtime/sandbox/exec_client.hpp"
#include "runtime/sandbox/exec_request.hpp"
#include "runtime/sandbox/host_report.hpp"
#include "runtime/sandbox/image_info.hpp"
#include "runtime/sandbox/limits.hpp"
#include "runtime/sandbox/liveness.hpp"
#include "runtime/sandbox/stuck_monitor.hpp"
#include "runtime/storage/image_store.hpp"
#include "runtime/storage/layered_disk.hpp"

namespace tl {
namespace {

using namespace std::chrono_literals;
using registry::SandboxRecord;
using registry::SandboxState;

constexpr auto kAnswerLimit = 10s;
// For one that is still booting its machine.
constexpr auto kStartLimit = 180s;
// Ending a machine means giving back its memory and its disk.
constexpr auto kEndLimit = 20s;

registry::ListFilter to_registry(ListFilter filter) {
  switch (filter) {
    case ListFilter::kAll:
      return registry::ListFilter::kAll;
    case ListFilter::kRunning:
      return registry::ListFilter::kRunning;
    case ListFilter::kSuspended:
      return registry::ListFilter::kSuspended;
    case ListFilter::kNotTerminated:
      break;
  }
  return registry::ListFilter::kNotTerminated;
}

}  // namespace

Result<std::unique_ptr<Runtime>> Runtime::open(const RuntimeOptions& options) {
  auto folder = registry::StateFolder::open(options.home);
  if (!folder) return folder.error();
  auto registry = registry::Registry::open(*std::move(folder));
  if (!registry) return registry.error();
  return std::unique_ptr<Runtime>(std::make_unique<LocalRuntime>(options, *std::move(registry)));
}

Result<SandboxList> LocalRuntime::list(ListFilter filter) {
  [[maybe_unused]] const auto swept = sweep_artefacts();
  auto listing = registry_.list(to_registry(filter));
  if (!listing) return listing.error();
  SandboxList list;
  list.hidden_terminated = listing->hidden_terminated;
  list.sandboxes.reserve(listing->records.size());
  for (auto& record : listing->records) {
    tell_memory(record);
    list.sandboxes.push_back({std::move(record), std::nullopt});
  }
  for (auto& problem : listing->problems) {
    list.damaged.push_back({problem.path.string(), std::move(problem.reason)});
  }
  return list;
}

Result<SandboxInfo> LocalRuntime::describe(const std::string& sandbox) {
  auto record = registry_.find(sandbox);
  if (!record) return record.error();
  SandboxInfo info{*std::move(record), std::nullopt};
  tell_memory(info.record);
  if (info.record.status != SandboxState::kRunning) return info;
  auto control = connect(info.record.sandbox_id);
  if (!control) return info;
  const auto answer =
      ask_monitor(*std::move(control), {"GET", monitor::kStatusPath}, AfterAnswer::kReturn, kAnswerLimit);
  if (!answer) return info;
  const auto status = monitor::status_from_json(*answer);
  if (!status) return info;
  info.live = LiveInfo{
      status->memory_used_bytes, status->disk_used_bytes, status->layers, std::nullopt, std::nullopt, {}};
  if (status->timeout_left_secs) info.live->until_timeout = std::chrono::seconds(*status->timeout_left_secs);
  if (status->idle_timeout_left_secs)
    info.live->until_idle_timeout = std::chrono::seconds(*status->idle_timeout_left_secs);
  for (const auto& [remote, local] : status->ports) info.live->ports.push_back({remote, local});
  return info;
}

// A sandbox without a name is forgotten when its host loses power, and its disk waits for nothing (Assembly).
// One with a name is kept, so its disk must be on the host's before it has the name.
Result<void> LocalRuntime::keep_disk(const SandboxRecord& record) {
  auto control = connect(record.sandbox_id);
  if (!control) return explain_loss(record.sandbox_id, control.error());
  const auto limit = record.status == SandboxState::kRunning ? kAnswerLimit : kStartLimit;
  const auto answer =
      ask_monitor(*std::move(control), {"POST", monitor::kStartSyncingPath}, AfterAnswer::kReturn, limit);
  if (!answer) return explain_loss(record.sandbox_id, answer.error());
  return storage::LayeredDisk::sync_files(registry_.work_path(record.sandbox_id) / registry::layout::kDisk);
}

Result<SandboxInfo> LocalRuntime::rename(const std::string& sandbox, const std::string& new_name) {
  if (auto valid = check_name(new_name); !valid) return valid.error();
  auto record = registry_.find(sandbox);
  if (!record) return record.error();
  if (!record->name && is_live(*record)) {
    if (auto kept = keep_disk(*record); !kept) return kept.error();
  }
  record = registry_.rename(record->sandbox_id, new_name);
  if (!record) return record.error();
  return SandboxInfo{*std::move(record), std::nullopt};
}

Result<UniqueFd> LocalRuntime::connect(const std::string& id) {
  const auto work = registry_.open_work(id);
  if (!work) return work.error();
  return monitor::connect_control(work->get());
}

Error LocalRuntime::explain_loss(const std::string& id, const Error& loss) {
  const auto record = registry_.read(id);
  return record && !is_live(*record) ? not_live(*record) : loss;
}

Result<ExecOutcome> LocalRuntime::exec(const std::string& sandbox, const ExecOptions& options) {
  const auto record = find_running(sandbox, {options.signals, options.progress});
  if (!record) return record.error();
  const auto store = storage::ImageStore::open(registry_.folder().path(), data_folders());
  if (!store) return store.error();
  const auto image = store->find_digest(record->image_digest);
  if (!image) return image.error();
  auto request = exec_request(options, image->manifest.config);
  if (!request) return request.error();
  ExecStreams streams;
  if (options.stdin_mode == StdinMode::kForward) streams.in = options.channels.in;
  streams.out = {options.channels.out, options.channels.out_text};
  streams.err = {options.channels.err, options.channels.err_text};
  streams.signals = options.signals;
  if (options.signal_use == SignalUse::kHangUp) streams.on_signal = ExecStreams::OnSignal::kHangUp;
  std::unique_ptr<LocalTerminal> terminal;
  if (options.terminal == TerminalUse::kBothSides) {
    auto opened = LocalTerminal::open();
    if (!opened) return opened.error();
    terminal = *std::move(opened);
    streams.terminal = terminal.get();
  }
  if (options.terminal != TerminalUse::kNone) request->terminal = local_terminal_size();
  if (options.detach) {
    streams.until = ExecStreams::Until::kStart;
    streams.on_signal = ExecStreams::OnSignal::kHangUp;
  }
  return converse(*record, {guest::kExecPath, guest::FrameKind::kStart, guest::encode(*request)}, streams);
}

Result<void> LocalRuntime::end_monitor(const std::string& id) {
  const auto control = connect(id);
  // A monitor that is gone, or going, needs no ending.
  if (!control) return registry_.is_alive(id) ? Result<void>(control.error()) : Result<void>();
  auto own = duplicate(*control);
  if (!own) return own.error();
  const auto answer =
      ask_monitor(*std::move(own), {"POST", monitor::kTerminatePath}, AfterAnswer::kWaitForEnd, kEndLimit);
  if (answer || !registry_.is_alive(id)) return {};
  return kill_stuck_monitor(*control, id);
}

Result<SandboxInfo> LocalRuntime::terminate(const std::string& sandbox) {
  auto record = registry_.find(sandbox);
  if (!record) return record.error();
  const std::string id = record->sandbox_id;
  if (is_live(*record)) {
    if (auto ended = end_monitor(id); !ended) return ended.error();
  }
  companions_.erase(id);
  record = registry_.terminate(id, "terminated");
  if (!record) return record.error();
  return SandboxInfo{*std::move(record), std::nullopt};
}

Result<HostReport> LocalRuntime::doctor() {
  return examine_host(registry_.folder());
}

}  // namespace tl
