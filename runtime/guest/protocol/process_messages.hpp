// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/guest/protocol/detachment.hpp"
#include "runtime/guest/protocol/messages.hpp"

// The messages about processes that were started for clients, in the manner of messages.hpp.
namespace tl::guest {

inline constexpr const char* kProcessesPath = "/v1/processes/list";  // empty → CBOR ProcessList
inline constexpr const char* kSignalProcessPath =
    "/v1/processes/signal";  // CBOR ProcessRequest → ProcessAnswer
inline constexpr const char* kRestartProcessPath = "/v1/processes/restart";  // the same
inline constexpr const char* kLogsPath = "/v1/processes/logs";               // CBOR LogsRequest → frames

// A process that was started for a client: what is known of it, also after its end.
struct ProcessInfo {
  enum class Status { kRunning, kRestarting, kExited, kSignaled, kTimedOut, kOomKilled };
  std::int64_t pid = 0;        // of the last run
  std::int64_t first_pid = 0;  // what its starter was told
  std::string command;         // as in TerminalInfo
  std::string name;            // empty: none
  bool managed = false;        // it was detached: it has a log and can be restarted
  Detachment::Restart restart = Detachment::Restart::kNever;
  std::uint64_t restarts = 0;
  Status status = Status::kRunning;
  int value = 0;                        // of what has ended: the exit code, or the signal's number
  std::chrono::nanoseconds started{};   // the last run, by the guest's wall clock, since the epoch
  std::chrono::nanoseconds finished{};  // its end; 0 while it runs

  [[nodiscard]] bool ended() const { return status > Status::kRestarting; }
};

struct ProcessList {
  std::vector<ProcessInfo> processes;  // in the order of their starts; at most kMaxListedProcesses
};
inline constexpr std::size_t kMaxListedProcesses = 400;

// A process is meant by its number, or by its name, which then is that of the youngest.
struct ProcessRequest {
  std::string process;
  std::optional<int> signal;  // only this is sent to its group; none: it is ended for good
};

struct ProcessAnswer {
  enum class Outcome { kDone, kNoSuchProcess, kEndedBefore, kNotManaged, kNameTaken, kNotStarted };
  Outcome outcome = Outcome::kDone;
  std::int64_t pid = 0;  // kDone: of the process now
  std::string message;   // kNotStarted: why
};

struct LogsRequest {
  std::string process;
  std::optional<std::uint32_t> tail;  // only so many of the last lines
  bool follow = false;                // go on until the process has ended for good
};

// Some bytes of a log, in the order in which they came.
struct LogPiece {
  enum class Stream { kStdout, kStderr };
  Stream stream = Stream::kStdout;
  std::chrono::nanoseconds time{};  // by the guest's wall clock, since the epoch
  std::string bytes;                // at most kMaxLogPiece
};
inline constexpr std::size_t kMaxLogPiece = 16 * 1024;

TL_GUEST_MESSAGE(ProcessList);
TL_GUEST_MESSAGE(ProcessRequest);
TL_GUEST_MESSAGE(ProcessAnswer);
TL_GUEST_MESSAGE(LogsRequest);
TL_GUEST_MESSAGE(LogPiece);

}  // namespace tl::guest
