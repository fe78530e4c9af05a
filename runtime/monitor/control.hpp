// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

// What the processes of `tl` say to a sandbox's monitor: HTTP/2 over the Unix socket work/<id>/control.sock
// (mode 0600 in a folder of mode 0700). Requests that are the agent's (runtime/guest/PROTOCOL.md) are passed
// on to it untouched; these are the monitor's own, with JSON bodies.
namespace tl::monitor {

inline constexpr const char* kControlSocket = "control.sock";
inline constexpr int kControlBacklog = 128;
inline constexpr const char* kStatusPath = "/v1/monitor/status";  // GET → LiveStatus
// POST; from the answer on the disk waits for the host's at every flush of the guest's, as a named sandbox's
// must. What it flushed before is for the caller to sync (storage::LayeredDisk::sync_files).
inline constexpr const char* kStartSyncingPath = "/v1/monitor/start-syncing";
// POST; the record has another network policy, which holds when a LaunchReport without an error is there.
inline constexpr const char* kNetworkPath = "/v1/monitor/network";
// POST; the record has other exposed ports, which are held open when a LaunchReport without an error is
// there.
inline constexpr const char* kPortsPath = "/v1/monitor/ports";
// POST; answered with a LaunchReport when it is done, or (soon) when it is begun. Then the monitor ends.
inline constexpr const char* kSuspendPath = "/v1/monitor/suspend";
inline constexpr const char* kSuspendSoonPath = "/v1/monitor/suspend-soon";
// POST, followed by the key of a draft in the state folder's snapshots/: what the sandbox is now goes there.
inline constexpr std::string_view kCheckpointDiskPath = "/v1/monitor/checkpoint/filesystem/";
inline constexpr std::string_view kCheckpointMachinePath = "/v1/monitor/checkpoint/memory/";
inline constexpr const char* kTerminatePath = "/v1/monitor/terminate";  // POST; answered before the end
// The status of an answer whose LaunchReport has an error: what was asked for was not done, and all goes on.
inline constexpr int kRefusedStatus = 409;

struct LiveStatus {
  std::uint64_t memory_used_bytes = 0;
  std::uint64_t disk_used_bytes = 0;
  unsigned layers = 0;
  std::optional<std::uint64_t> timeout_left_secs;
  std::optional<std::uint64_t> idle_timeout_left_secs;
  std::vector<std::pair<std::uint16_t, std::uint16_t>> ports = {};  // inside, and here
};
std::string to_json(const LiveStatus& status);
Result<LiveStatus> status_from_json(std::string_view text);

// Connects to, or listens on, the socket in the folder. By way of /proc/self/fd, because a socket's path is
// limited to 107 bytes and a state folder's is not.
Result<UniqueFd> connect_control(int work_dir_fd);
Result<UniqueFd> listen_control(int work_dir_fd);
// Makes a listening socket that another process opened this process's own: those who connect from now on see
// us as their peer (SO_PEERCRED).
Result<void> adopt_control(int listener);

// The first bytes between a monitor and the process that started it, over a socket pair: the monitor sends
// one LaunchReport as a line of JSON, the other side answers with kLaunchAccepted. A creator that goes away
// before it has answered gives the sandbox up.
// The same JSON answers what can fail in a way that callers want to know.
struct LaunchReport {
  std::optional<Error> error;  // absent: the sandbox is Running
};
std::string to_json(const LaunchReport& report);
Result<LaunchReport> report_from_json(std::string_view line);
inline constexpr char kLaunchAccepted = 'k';

}  // namespace tl::monitor
