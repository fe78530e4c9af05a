// SPDX-License-Identifier: Apache-2.0
// Conversations with a running sandbox's agent: executions, and the sessions that those with a terminal are.
#include <fmt/format.h>

#include "runtime/monitor/control.hpp"
#include "runtime/sandbox/exec_client.hpp"
#include "runtime/sandbox/liveness.hpp"
#include "runtime/sandbox/local_runtime.hpp"

namespace tl {
namespace {

using registry::SandboxRecord;
using registry::SandboxState;

bool is_aside(const SandboxRecord& record) {
  return record.status == SandboxState::kSuspended || record.status == SandboxState::kSuspending;
}

Error no_such_session(const SandboxRecord& record, std::int64_t session) {
  return Error{ErrorCode::kNotFound, fmt::format("sandbox {} has no session {}", handle(record), session),
               fmt::format("`tl sbx pty ls {}` lists those it has", handle(record))};
}

std::string how_to_attach(const SandboxRecord& record, std::int64_t session) {
  return fmt::format("`tl sbx pty attach {} {}` goes on with the session", handle(record), session);
}

SessionInfo session_info(const guest::TerminalInfo& terminal) {
  using Clock = std::chrono::system_clock;
  return {terminal.session,
          terminal.command,
          Clock::time_point(std::chrono::duration_cast<Clock::duration>(terminal.started)),
          terminal.clients,
          terminal.size.rows,
          terminal.size.columns};
}

}  // namespace

Result<SandboxRecord> LocalRuntime::find_running(const std::string& sandbox, const ResumeFirst& how) {
  auto record = registry_.find(sandbox);
  if (!record) return record.error();
  if (is_aside(*record)) {
    auto resumed = resume(record->sandbox_id, CreateWait::kReady, how.signals, how.progress);
    if (!resumed) return resumed.error();
    record = std::move(resumed->sandbox.record);
  }
  if (!is_live(*record)) return not_live(*record);
  return record;
}

Result<ExecOutcome> LocalRuntime::converse(const SandboxRecord& record, const ExecStart& start,
                                           ExecStreams streams) {
  auto control = connect(record.sandbox_id);
  if (!control) return explain_loss(record.sandbox_id, control.error());
  std::optional<std::int64_t> session;
  auto outcome = run_exec(*std::move(control), start, streams, session);
  if (outcome) return outcome;
  if (streams.terminal == nullptr || !session) return explain_loss(record.sandbox_id, outcome.error());
  // Whoever sits at the terminal is told what became of the session.
  const auto now = registry_.read(record.sandbox_id);
  if (!now) return outcome.error();
  if (is_aside(*now)) {
    return Error{ErrorCode::kConflict, fmt::format("sandbox {} was suspended", handle(*now)),
                 how_to_attach(*now, *session)};
  }
  if (!is_live(*now)) return not_live(*now);
  return outcome.error().with_hint(how_to_attach(*now, *session));
}

Result<std::vector<SessionInfo>> LocalRuntime::sessions(const std::string& sandbox, const ResumeFirst& how) {
  const auto record = find_running(sandbox, how);
  if (!record) return record.error();
  const auto answer = ask_agent(*record, guest::kTerminalsPath, {});
  if (!answer) return answer.error();
  const auto list = guest::decode<guest::TerminalList>(std::as_bytes(std::span(*answer)));
  if (!list) return list.error().within("list the sessions");
  std::vector<SessionInfo> sessions;
  for (const auto& terminal : list->terminals) sessions.push_back(session_info(terminal));
  return sessions;
}

Result<ExecOutcome> LocalRuntime::attach(const std::string& sandbox, std::int64_t session,
                                         const ResumeFirst& how) {
  const auto record = find_running(sandbox, how);
  if (!record) return record.error();
  const auto terminal = LocalTerminal::open();
  if (!terminal) return terminal.error();
  const guest::AttachRequest request{session, (*terminal)->size()};
  auto outcome = converse(*record, {guest::kAttachPath, guest::FrameKind::kAttach, guest::encode(request)},
                          {.signals = how.signals, .terminal = terminal->get()});
  if (!outcome && outcome.error().code == ErrorCode::kNotFound) return no_such_session(*record, session);
  return outcome;
}

Result<void> LocalRuntime::remove_session(const std::string& sandbox, std::int64_t session,
                                          const ResumeFirst& how) {
  const auto record = find_running(sandbox, how);
  if (!record) return record.error();
  const auto answer =
      ask_agent(*record, guest::kRemoveTerminalPath, guest::encode(guest::TerminalId{session}));
  if (answer) return {};
  if (answer.error().code == ErrorCode::kNotFound) return no_such_session(*record, session);
  return answer.error();
}

}  // namespace tl
