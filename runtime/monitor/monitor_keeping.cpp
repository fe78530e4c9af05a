// SPDX-License-Identifier: Apache-2.0
// How a monitor keeps its sandbox: suspend and checkpoint. One at a time; the record says which. Whatever
// fails, the guest goes on as it was.
//
// What is saved with the machine is a guest in which no user process runs (AgentClient::quiesce): after a
// restore the agent makes it the sandbox that it is to be, and only then lets them run.
#include <chrono>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <fmt/format.h>

#include "runtime/monitor/control.hpp"
#include "runtime/monitor/monitor.hpp"
#include "runtime/registry/paths.hpp"
#include "runtime/snapshot/artefact_store.hpp"

namespace tl::monitor {
namespace {

using namespace std::chrono_literals;
using registry::SandboxState;

// For a guest that is busy, on a host that is.
constexpr auto kQuiesceLimit = 30s;
constexpr auto kWriteBackLimit = 60s;
constexpr auto kFreezeLease = 30s;
constexpr auto kFreezeLimit = 60s;
constexpr int kOk = 200;

using Clock = std::chrono::steady_clock;

long long milliseconds_since(Clock::time_point began) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
}

}  // namespace

Result<void> Monitor::begin_keeping(SandboxState state) {
  if (end_ || !ready_) return Error{ErrorCode::kConflict, "the sandbox does not run", ""};
  if (keeping_) {
    return Error{ErrorCode::kConflict,
                 fmt::format("the sandbox is {} at the moment", registry::state_name(record_.status)),
                 "try again when that is done"};
  }
  if (auto begun = become(state); !begun) return begun;
  keeping_ = true;
  return {};
}

void Monitor::end_keeping() {
  keeping_ = false;
  changed_.notify_all();
}

asio::awaitable<Result<void>> Monitor::suspend() {
  if (auto begun = begin_keeping(SandboxState::kSuspending); !begun) co_return begun;
  auto saved = co_await save_and_stop();
  if (saved) {
    suspended_ = true;
    end("suspended");
  } else if (!end_) {
    if (auto back = become(SandboxState::kRunning); !back) log_.info("{}", back.error().message);
  }
  end_keeping();
  co_return saved;
}

// The disk alone has to be worth something too: it is all that there is when the memory is lost, and for a
// filesystem checkpoint of a suspended sandbox. What the guest has not written back yet is in its memory
// only.
asio::awaitable<Result<void>> Monitor::quiesce_and_write_back() {
  auto quiet = co_await agent_->quiesce(kQuiesceLimit);
  if (!quiet) co_return quiet;
  const auto began = Clock::now();
  const auto written = co_await agent_->write_back(kWriteBackLimit);
  if (!written) log_.info("{}", written.error().message);
  // Processes do not stand still for ever without being told again.
  if (Clock::now() - began > guest::kQuiesceLease / 2) quiet = co_await agent_->quiesce(kQuiesceLimit);
  co_return quiet;
}

asio::awaitable<Result<void>> Monitor::save_and_stop() {
  const auto quiet = co_await quiesce_and_write_back();
  if (!quiet) co_return quiet.error().within("stop the sandbox's processes");
  auto saved = co_await assembly_->machine().pause();
  if (saved) {
    saved = co_await assembly_->save(Durability::kSynced);
    if (saved) saved = become(SandboxState::kSuspended);
    if (saved) co_return saved;
    // Memory and disk go on from here: a machine that was saved all the same is not theirs any more.
    if (const auto forgotten = assembly_->forget_saved(); !forgotten)
      log_.info("{}", forgotten.error().message);
    const auto resumed = co_await assembly_->machine().resume();
    if (!resumed) log_.info("{}", resumed.error().message);
  }
  const auto released = co_await agent_->release(kQuiesceLimit);
  if (!released) log_.info("{}", released.error().message);
  co_return saved;
}

asio::awaitable<Result<void>> Monitor::checkpoint(Kind kind, std::string key) {
  if (!snapshot::ArtefactStore::is_key(key))
    co_return Error{ErrorCode::kOutOfRange, "a malformed key of a snapshot", ""};
  const std::filesystem::path folder = std::filesystem::path(options_.home) / "snapshots" / key;
  if (auto begun = begin_keeping(SandboxState::kSnapshotting); !begun) co_return begun;
  Result<void> kept;
  if (kind == Kind::kMachine) {
    kept = co_await checkpoint_machine(folder);
  } else {
    kept = co_await checkpoint_disk(folder);
  }
  if (kept && !end_) co_await flatten_disk();
  if (!end_) {
    if (auto back = become(SandboxState::kRunning); !back) log_.info("{}", back.error().message);
  }
  end_keeping();
  co_return kept;
}

// The file system is frozen so that what is on the disk is whole, and the machine stands still for as long as
// the disk takes to begin a new layer.
asio::awaitable<Result<void>> Monitor::checkpoint_disk(std::filesystem::path folder) {
  const auto frozen = co_await agent_->freeze(kFreezeLease, kFreezeLimit);
  if (!frozen) co_return frozen.error().within("freeze the sandbox's file system");
  const auto began = Clock::now();
  Result<void> kept = co_await assembly_->machine().pause();
  if (kept) {
    kept = assembly_->freeze_disk();
    const auto resumed = co_await assembly_->machine().resume();
    if (!resumed && kept) kept = resumed;
  }
  const auto stood = milliseconds_since(began);
  const auto thawed = co_await agent_->thaw(kFreezeLimit);
  if (!thawed) log_.info("{}", thawed.error().message);
  if (!kept) co_return kept;
  log_.info("checkpoint of the disk: the guest stood still for {} ms", stood);
  co_return assembly_->export_disk(folder / registry::layout::kDisk);
}

asio::awaitable<Result<void>> Monitor::checkpoint_machine(std::filesystem::path folder) {
  const auto began = Clock::now();
  const auto quiet = co_await agent_->quiesce(kQuiesceLimit);
  if (!quiet) co_return quiet.error().within("stop the sandbox's processes");
  auto moment = co_await take_moment(folder, Durability::kSynced);
  const auto released = co_await agent_->release(kQuiesceLimit);
  if (!released && moment.kept) moment.kept = released;
  log_.info("checkpoint of the machine: the guest stood still for {} ms", milliseconds_since(began));
  auto kept = co_await write_moment(std::move(moment), std::move(folder));
  co_return kept;
}

asio::awaitable<Result<void>> Monitor::keep_template(std::filesystem::path folder) {
  auto moment = co_await take_moment(folder, Durability::kLazy, Process::kKept);
  auto kept = co_await write_moment(std::move(moment), std::move(folder));
  co_return kept;
}

asio::awaitable<Monitor::Moment> Monitor::take_moment(std::filesystem::path folder, Durability durability,
                                                      Process process) {
  Moment moment;
  moment.kept = co_await assembly_->machine().pause();
  if (!moment.kept) co_return moment;
  auto saved = co_await assembly_->save_aside(folder / registry::layout::kMachine, durability);
  if (saved) {
    if (*saved) moment.writer.emplace(**std::move(saved));
    moment.kept = assembly_->freeze_disk();
    if (process == Process::kKept) {
      const auto kept = co_await assembly_->keep_process(folder / registry::layout::kMachine);
      if (!kept && kept.error().code != ErrorCode::kHostLacks) log_.info("{}", kept.error().message);
    }
  } else {
    moment.kept = saved.error();
  }
  const auto resumed = co_await assembly_->machine().resume();
  if (!resumed && moment.kept) moment.kept = resumed;
  co_return moment;
}

asio::awaitable<Result<void>> Monitor::write_moment(Moment moment, std::filesystem::path folder) {
  if (moment.writer) {
    const Result<void> written = co_await moment.writer->finish(context_.get_executor());
    if (moment.kept) moment.kept = written;
  }
  if (!moment.kept) co_return moment.kept;
  co_return assembly_->export_disk(folder / registry::layout::kDisk);
}

asio::awaitable<void> Monitor::flatten_disk() {
  const auto flattened = co_await assembly_->flatten_disk(context_.get_executor());
  if (!flattened) log_.info("flatten the disk: {}", flattened.error().message);
}

void Monitor::answer(http2::Stream& stream, const Result<void>& outcome) {
  LaunchReport report;
  if (!outcome) report.error = outcome.error();
  const std::string text = to_json(report);
  stream.respond(outcome ? kOk : kRefusedStatus);
  stream.write_now(std::as_bytes(std::span(text.data(), text.size())));
  stream.finish();
}

asio::awaitable<void> Monitor::answer_suspend(StreamPtr stream, bool soon) {
  while (!ready_ && !end_) co_await changed_.wait();
  // Of two with this wish the second waits for what comes of the first.
  while (!soon && !end_ && record_.status == SandboxState::kSuspending) co_await changed_.wait();
  if (suspended_) {
    answer(*stream, Result<void>());
    co_return;
  }
  if (soon) {
    const bool possible = ready_ && !end_ && !keeping_;
    answer(*stream,
           possible ? Result<void>()
                    : Result<void>(Error{ErrorCode::kConflict, "the sandbox cannot be suspended now", ""}));
    if (!possible) co_return;
  }
  const Result<void> suspended = co_await suspend();
  if (!soon) answer(*stream, suspended);
}

asio::awaitable<void> Monitor::answer_checkpoint(StreamPtr stream, Kind kind, std::string key) {
  while (!ready_ && !end_) co_await changed_.wait();
  const Result<void> kept = co_await checkpoint(kind, std::move(key));
  answer(*stream, kept);
}

}  // namespace tl::monitor
