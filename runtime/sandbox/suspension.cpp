// SPDX-License-Identifier: Apache-2.0
// Suspending and resuming. A suspended sandbox has no process: whoever resumes it takes the life lock, and
// starts a monitor that inherits it.
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
// Others may suspend and resume it while we try to.
constexpr int kAttempts = 8;

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
  const auto answer = ask_monitor(*std::move(control), "POST", path, after, limit);
  if (!answer) return explain_loss(id, answer.error());
  const auto report = monitor::report_from_json(*answer);
  if (!report) return report.error();
  if (report->error) return *report->error;
  return {};
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
    if (auto ended = registry_.wait_for_end(id); !ended) return ended.error();
  } else if (wait == CreateWait::kNoWait) {
    auto begun = tell_monitor(id, monitor::kSuspendSoonPath, AfterAnswer::kReturn, kAnswerLimit);
    if (!begun) return begun.error().within("suspend " + handle(*record));
  } else {
    auto done = tell_monitor(id, monitor::kSuspendPath, AfterAnswer::kWaitForEnd, kSuspendLimit);
    if (!done) {
      // Somebody else may have had the same wish.
      const auto now = registry_.read(id);
      if (!now || now->status != SandboxState::kSuspended)
        return done.error().within("suspend " + handle(*record));
    }
  }
  record = registry_.read(id);
  if (!record) return record.error();
  return SandboxInfo{*std::move(record), std::nullopt};
}

Result<Resumed> LocalRuntime::resume(const std::string& sandbox, CreateWait wait, int signals,
                                     const Progress& progress) {
  CreateRequest how;
  how.wait = wait;
  how.signals = signals;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto record = registry_.find(sandbox);
    if (!record) return record.error();
    const std::string& id = record->sandbox_id;
    switch (record->status) {
      case SandboxState::kSuspended:
        break;
      case SandboxState::kRunning:
      case SandboxState::kSnapshotting:
        return Resumed{{*std::move(record), std::nullopt}, std::nullopt};
      case SandboxState::kSuspending:
        if (auto ended = registry_.wait_for_end(id); !ended) return ended.error();
        continue;
      case SandboxState::kPending:
      case SandboxState::kTerminated:
        return not_live(*record).within("resume");
    }
    // What is about to end has recorded already that it is suspended.
    if (auto ended = registry_.wait_for_end(id); !ended) return ended.error();
    auto life = registry_.take_life(id);
    if (!life && life.error().code == ErrorCode::kConflict) continue;
    if (!life) return life.error();
    record = registry_.read(id);
    if (!record) return record.error();
    if (record->status != SandboxState::kSuspended) continue;
    if (progress) progress("resuming " + handle(*record));
    return start_again(*record, *std::move(life), how, progress);
  }
  return Error{ErrorCode::kConflict,
               fmt::format("sandbox {} is suspended and resumed by others all the time", sandbox),
               "try again"};
}

Result<Resumed> LocalRuntime::start_again(const SandboxRecord& record, registry::LifeLock life,
                                          const CreateRequest& how, const Progress&) {
  const std::string doing = "resume " + handle(record);
  auto draft = draft_again(record);
  if (!draft) return draft.error().within(doing);
  const bool warm = has_machine(registry_.work_path(record.sandbox_id) / registry::layout::kMachine);
  draft->origin = warm ? monitor::Origin::kResume : monitor::Origin::kBoot;
  auto started = launch(*draft, std::move(life), how);
  if (!started) return started.error().within(doing);
  auto running = wait_running(record.sandbox_id, *started, how);
  if (!running) {
    started->give_up();
    return running.error().within(doing).with_hint(fmt::format(
        "its disk is whole: `tl sbx checkpoint {}` keeps it for `tl sbx create --snapshot`", handle(record)));
  }
  Resumed resumed{{*std::move(running), std::nullopt}, std::nullopt};
  if (!warm) resumed.memory_lost = record.reason.empty() ? "its memory was lost" : record.reason;
  return resumed;
}

}  // namespace tl
