// SPDX-License-Identifier: Apache-2.0
// What is done with the processes that exec() has started.
#include <fmt/format.h>

#include "common/printable.hpp"
#include "runtime/sandbox/control_client.hpp"
#include "runtime/sandbox/liveness.hpp"
#include "runtime/sandbox/local_runtime.hpp"
#include "runtime/sandbox/log_client.hpp"

namespace tl {
namespace {

using namespace std::chrono_literals;
using guest::ProcessAnswer;
using registry::SandboxRecord;
using registry::SandboxState;
using Clock = std::chrono::system_clock;

constexpr auto kAnswerLimit = 30s;
constexpr std::size_t kShownBytes = 1000;  // of a guest's own words

Clock::time_point at(std::chrono::nanoseconds since_epoch) {
  return Clock::time_point(std::chrono::duration_cast<Clock::duration>(since_epoch));
}

ProcessRecord process_record(const guest::ProcessInfo& info) {
  ProcessRecord record;
  record.pid = info.pid;
  record.first_pid = info.first_pid;
  record.command = info.command;
  if (!info.name.empty()) record.name = info.name;
  record.managed = info.managed;
  record.restart = static_cast<RestartPolicy>(info.restart);  // in the same order
  record.restarts = info.restarts;
  record.status = static_cast<ProcessRecord::Status>(info.status);  // in the same order
  record.value = info.value;
  record.started_at = at(info.started);
  if (info.finished.count() > 0) record.finished_at = at(info.finished);
  return record;
}

Error no_such_process(const SandboxRecord& record, const std::string& process) {
  return Error{
      ErrorCode::kNotFound,
      fmt::format("sandbox {} knows no process {}", handle(record), make_printable(process, kShownBytes)),
      fmt::format("'tl sbx ps {}' lists those it knows", handle(record))};
}

// What the agent can be asked about: a number or a name.
bool can_be_meant(const std::string& process) {
  const bool number = !process.empty() && process.size() <= 10 &&
                      process.find_first_not_of("0123456789") == std::string::npos;
  return number || guest::is_process_name(process);
}

// What keeps an answer from being kDone.
Error refusal(const SandboxRecord& record, const std::string& process, const ProcessAnswer& answer) {
  switch (answer.outcome) {
    case ProcessAnswer::Outcome::kNoSuchProcess:
      return no_such_process(record, process);
    case ProcessAnswer::Outcome::kEndedBefore:
      return Error{ErrorCode::kConflict, fmt::format("process {} has ended", process), ""};
    case ProcessAnswer::Outcome::kNotManaged:
      return Error{ErrorCode::kConflict,
                   fmt::format("process {} was not started with --detach and cannot be restarted", process),
                   ""};
    case ProcessAnswer::Outcome::kNameTaken:
      return Error{ErrorCode::kConflict, fmt::format("restart {}: another process has its name now", process),
                   "end that one first, or start this one under another name"};
    case ProcessAnswer::Outcome::kNotStarted:
    case ProcessAnswer::Outcome::kDone:
      break;
  }
  return Error{ErrorCode::kFailure,
               fmt::format("restart {}: {}", process, make_printable(answer.message, kShownBytes)), ""};
}

}  // namespace

Result<std::string> LocalRuntime::ask_agent(const SandboxRecord& record, const char* path,
                                            std::vector<std::byte> body) {
  auto control = connect(record.sandbox_id);
  if (!control) return explain_loss(record.sandbox_id, control.error());
  auto answer =
      ask_monitor(*std::move(control), {"POST", path, std::move(body)}, AfterAnswer::kReturn, kAnswerLimit);
  if (!answer && answer.error().code != ErrorCode::kNotFound)
    return explain_loss(record.sandbox_id, answer.error());
  return answer;
}

Result<std::vector<ProcessRecord>> LocalRuntime::processes(const std::string& sandbox,
                                                           const ResumeFirst& how) {
  const auto record = find_running(sandbox, how);
  if (!record) return record.error();
  const auto answer = ask_agent(*record, guest::kProcessesPath, {});
  if (!answer) return answer.error();
  const auto list = guest::decode<guest::ProcessList>(std::as_bytes(std::span(*answer)));
  if (!list) return list.error().within("list the processes");
  std::vector<ProcessRecord> processes;
  for (const auto& info : list->processes) processes.push_back(process_record(info));
  return processes;
}

Result<void> LocalRuntime::end_process(const std::string& sandbox, const std::string& process,
                                       std::optional<int> signal, const ResumeFirst& how) {
  const auto record = find_running(sandbox, how);
  if (!record) return record.error();
  if (!can_be_meant(process)) return no_such_process(*record, process);
  const auto answer =
      ask_agent(*record, guest::kSignalProcessPath, guest::encode(guest::ProcessRequest{process, signal}));
  if (!answer) return answer.error();
  const auto done = guest::decode<ProcessAnswer>(std::as_bytes(std::span(*answer)));
  if (!done) return done.error().within("end the process");
  if (done->outcome == ProcessAnswer::Outcome::kDone) return {};
  return refusal(*record, process, *done);
}

Result<std::int64_t> LocalRuntime::restart_process(const std::string& sandbox, const std::string& process,
                                                   const ResumeFirst& how) {
  const auto record = find_running(sandbox, how);
  if (!record) return record.error();
  if (!can_be_meant(process)) return no_such_process(*record, process);
  const auto answer = ask_agent(*record, guest::kRestartProcessPath,
                                guest::encode(guest::ProcessRequest{process, std::nullopt}));
  if (!answer) return answer.error();
  const auto done = guest::decode<ProcessAnswer>(std::as_bytes(std::span(*answer)));
  if (!done) return done.error().within("restart the process");
  if (done->outcome == ProcessAnswer::Outcome::kDone) return done->pid;
  return refusal(*record, process, *done);
}

Result<void> LocalRuntime::logs(const std::string& sandbox, const std::string& process,
                                const LogOptions& options, const TakeLog& take, const ResumeFirst& how) {
  const auto record = find_running(sandbox, how);
  if (!record) return record.error();
  if (!can_be_meant(process)) return no_such_process(*record, process);
  auto control = connect(record->sandbox_id);
  if (!control) return explain_loss(record->sandbox_id, control.error());
  const auto give = [&take](const guest::LogPiece& piece) {
    return take({static_cast<LogOutput::Stream>(piece.stream), at(piece.time), piece.bytes});
  };
  const auto read = read_log(*std::move(control), {process, options.tail, options.follow}, give, how.signals);
  if (read) return {};
  if (read.error().code == ErrorCode::kNotFound) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("sandbox {} has no log of a process {}", handle(*record), process),
                 fmt::format("'tl sbx ps {}' lists the processes; managed ones have a log", handle(*record))};
  }
  const auto now = registry_.read(record->sandbox_id);
  if (now && (now->status == SandboxState::kSuspending || now->status == SandboxState::kSuspended)) {
    return Error{ErrorCode::kConflict, fmt::format("sandbox {} was suspended", handle(*now)),
                 fmt::format("'tl sbx logs {} {}' resumes it and shows the log", handle(*now), process)};
  }
  return explain_loss(record->sandbox_id, read.error());
}

}  // namespace tl
