// SPDX-License-Identifier: Apache-2.0
// Suspending and resuming. A suspended sandbox has no process: whoever resumes it takes the life lock, and
// starts a monitor that inherits it.
#include <poll.h>

#include "runtime/monitor/control.hpp"
#include "runtime/registry/paths.hpp"
#include "runtime/sandbox/liveness.hpp"
#include "runtime/sandbox/local_runtime.hpp"
#include "runtime/sandbox/machine_files.hpp"

namespace tl {
namespace {

using namespace std::chrono_literals;
using registry::SandboxRecord;
using registry::SandboxState;

// Writing all of a large memory to a slow disk.
constexpr auto kSuspendLimit = 600s;
// To begin it.
constexpr auto kAnswerLimit = 30s;
// Until a monitor that has recorded that it is suspended has ended, or somebody else has resumed it.
constexpr auto kHandOverLimit = 600s;
constexpr int kNapMilliseconds = 5;

Error needs_name(const SandboxRecord& record) {
  return Error{ErrorCode::kConflict,
               fmt::format("sandbox {} is ephemeral and cannot be suspended", record.sandbox_id),
               fmt::format("give it a name first: `tl sbx name {} NAME`", record.sandbox_id)};
}

}  // namespace

Result<void> LocalRuntime::tell_monitor(const std::string& id, const std::string& path, AfterAnswer after,
                                        std::chrono::milliseconds limit) {
  auto control = connect(id);
  if (!control) return explain_loss(id, control.error());
  const auto answer = ask_monitor(*std::move(control), {"POST", path}, after, limit);
  if (!answer) return explain_loss(id, answer.error());
  const auto report = monitor::report_from_json(*answer);
  if (!report) return report.error();
  if (report->error) return *report->error;
  return {};
}

// One that somebody resumes is in between. He is looked for last: from before he takes the machine away until
// the record says more, he is alive.
void LocalRuntime::tell_memory(SandboxRecord& record) {
  if (record.status != SandboxState::kSuspended) return;
  const bool kept = has_machine(registry_.work_path(record.sandbox_id) / registry::layout::kMachine);
  if (registry_.is_alive(record.sandbox_id)) return;
  if (kept) {
    record.reason.clear();
  } else if (!record.reason.starts_with(registry::kMemoryLost)) {
    record.reason = registry::kMemoryLost;
  }
}

Result<SandboxInfo> LocalRuntime::suspend(const std::string& sandbox, CreateWait wait) {
  auto record = registry_.find(sandbox);
  if (!record) return record.error();
  const std::string id = record->sandbox_id;
  if (record->status == SandboxState::kSuspended) return SandboxInfo{*std::move(record), std::nullopt};
  if (record->status == SandboxState::kTerminated) return not_live(*record);
  if (!record->name) return needs_name(*record);
  if (record->status == SandboxState::kSuspending) {
    if (wait == CreateWait::kNoWait) return SandboxInfo{*std::move(record), std::nullopt};
    if (auto ended = take_suspended(id); !ended) return ended.error();
  } else if (wait == CreateWait::kNoWait) {
    auto begun = tell_monitor(id, monitor::kSuspendSoonPath, AfterAnswer::kReturn, kAnswerLimit);
    if (!begun) return begun.error().within("suspend " + handle(*record));
  } else {
    auto done = tell_monitor(id, monitor::kSuspendPath, AfterAnswer::kWaitForEnd, kSuspendLimit);
    if (!done) {
      // Somebody else may have had the same wish. A monitor that was killed leaves a suspended one too.
      auto now = registry_.read(id);
      if (now) tell_memory(*now);
      if (!now || now->status != SandboxState::kSuspended || now->reason.starts_with(registry::kMemoryLost))
        return done.error().within("suspend " + handle(*record));
    }
  }
  record = registry_.read(id);
  if (!record) return record.error();
  tell_memory(*record);
  if (record->status == SandboxState::kSuspended && record->reason.starts_with(registry::kMemoryLost)) {
    return Error{ErrorCode::kFailure,
                 fmt::format("suspend {}: its machine ended before it was saved", handle(*record)),
                 fmt::format("its disk is kept: `tl sbx resume {}` boots it", handle(*record))};
  }
  return SandboxInfo{*std::move(record), std::nullopt};
}

// A lock that somebody holds is either an ending monitor's, or of somebody who resumes it too: which one, the
// record will tell.
Result<std::optional<registry::LifeLock>> LocalRuntime::take_suspended(const std::string& id) {
  const auto deadline = std::chrono::steady_clock::now() + kHandOverLimit;
  do {
    const auto record = registry_.read(id);
    if (!record) return record.error();
    const bool is_aside =
        record->status == SandboxState::kSuspended || record->status == SandboxState::kSuspending;
    if (!is_aside) return std::optional<registry::LifeLock>();
    auto life = registry_.take_life(id);
    if (life) {
      const auto now = registry_.read(id);
      if (!now) return now.error();
      if (now->status != SandboxState::kSuspended) return std::optional<registry::LifeLock>();
      return std::optional(*std::move(life));
    }
    if (life.error().code != ErrorCode::kConflict) {
      // The folder of one that has been terminated meanwhile is gone.
      const auto now = registry_.read(id);
      if (now && now->status == SandboxState::kTerminated) return std::optional<registry::LifeLock>();
      return life.error();
    }
    ::poll(nullptr, 0, kNapMilliseconds);
  } while (std::chrono::steady_clock::now() < deadline);
  return Error{ErrorCode::kConflict, fmt::format("the monitor of sandbox {} does not end", id), ""};
}

Result<Resumed> LocalRuntime::resume(const std::string& sandbox, CreateWait wait, int signals,
                                     const Progress& progress) {
  auto record = registry_.find(sandbox);
  if (!record) return record.error();
  auto life = take_suspended(record->sandbox_id);
  if (!life) return life.error();
  record = registry_.read(record->sandbox_id);
  if (!record) return record.error();
  if (*life) {
    if (progress) progress("resuming " + handle(*record));
    CreateRequest how;
    how.wait = wait;
    how.signals = signals;
    return start_again(*record, **std::move(life), how, progress);
  }
  const bool runs = record->status == SandboxState::kRunning || record->status == SandboxState::kSnapshotting;
  if (!runs) return not_live(*record).within("resume");
  return Resumed{{*std::move(record), std::nullopt}, std::nullopt};
}

Result<Resumed> LocalRuntime::start_again(const SandboxRecord& record, registry::LifeLock life,
                                          const CreateRequest& how, const Progress&) {
  const std::string doing = "resume " + handle(record);
  auto draft = draft_again(record);
  if (!draft) return draft.error().within(doing);
  const bool warm = has_machine(registry_.work_path(record.sandbox_id) / registry::layout::kMachine);
  draft->origin = warm ? monitor::Origin::kResume : monitor::Origin::kBoot;
  const auto work = registry_.open_work(record.sandbox_id);
  if (!work) return work.error().within(doing);
  auto its = orders(*draft, std::move(life), *work, how);
  if (!its) return its.error().within(doing);
  auto running = bring_up(record.sandbox_id, *draft->monitor, *std::move(its), how);
  if (!running) {
    draft->monitor->give_up();
    return running.error().within(doing).with_hint(fmt::format(
        "its disk is whole: `tl sbx checkpoint {}` keeps it for `tl sbx create --snapshot`", handle(record)));
  }
  Resumed resumed{{*std::move(running), std::nullopt}, std::nullopt};
  if (!warm) resumed.memory_lost = record.reason.empty() ? "its memory was lost" : record.reason;
  return resumed;
}

}  // namespace tl
