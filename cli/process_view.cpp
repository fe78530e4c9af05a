// SPDX-License-Identifier: Apache-2.0
#include "cli/process_view.hpp"

#include <csignal>
#include <cstring>
#include <utility>

#include <nlohmann/json.hpp>

#include "cli/age.hpp"
#include "cli/signal_names.hpp"
#include "common/time.hpp"

namespace tl::cli {
namespace {

using Json = nlohmann::ordered_json;
using Status = ProcessRecord::Status;

const char* status_word(Status status) {
  constexpr const char* kWords[] = {"running", "restarting", "exited", "signaled", "timed-out", "oom-killed"};
  return kWords[static_cast<std::size_t>(status)];
}

const char* restart_word(RestartPolicy restart) {
  constexpr const char* kWords[] = {"never", "on-failure", "always"};
  return kWords[static_cast<std::size_t>(restart)];
}

// How it ended: "3" or "SIGHUP".
std::string end_of(const ProcessRecord& process) {
  if (process.status == Status::kExited) return std::to_string(process.value);
  if (process.status == Status::kSignaled || process.status == Status::kOomKilled) {
    return signal_name(process.value);
  }
  return "";
}

}  // namespace

Json process_json(const ProcessRecord& process) {
  Json json;
  json["pid"] = process.pid;
  json["status"] = status_word(process.status);
  json["exit_code"] = process.status == Status::kExited ? Json(process.value) : Json(nullptr);
  const bool signaled = process.status == Status::kSignaled || process.status == Status::kOomKilled;
  json["signal"] = signaled ? Json(process.value) : Json(nullptr);
  json["command"] = process.command;
  json["started_at"] = format_utc(process.started_at);
  json["ended_at"] = process.finished_at ? Json(format_utc(*process.finished_at)) : Json(nullptr);
  if (process.managed) {
    json["managed"] = Json{{"name", process.name ? Json(*process.name) : Json(nullptr)},
                           {"restart_policy", restart_word(process.restart)},
                           {"restart_count", process.restarts},
                           {"first_pid", process.first_pid}};
  } else {
    json["managed"] = nullptr;
  }
  return json;
}

Table process_table(const std::vector<ProcessRecord>& processes, std::chrono::system_clock::time_point now) {
  Table table({"PID", "Status", "Managed", "Name", "Restarts", "Health", "Command", "Started", "Exit"});
  for (const auto& process : processes) {
    table.add({std::to_string(process.pid), status_word(process.status), process.managed ? "yes" : "no",
               process.name.value_or(""), process.managed ? std::to_string(process.restarts) : "", "",
               process.command, age(process.started_at, now), end_of(process)});
  }
  return table;
}

std::string LogLines::take(LogOutput::Stream stream) {
  Line& line = lines_[static_cast<std::size_t>(stream)];
  Json json;
  json["time"] = format_utc(line.time);
  json["stream"] = stream == LogOutput::Stream::kStdout ? "stdout" : "stderr";
  json["text"] = std::exchange(line.text, {});
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string LogLines::add(const LogOutput& output) {
  Line& line = lines_[static_cast<std::size_t>(output.stream)];
  std::string json;
  for (std::string_view rest = output.bytes; !rest.empty();) {
    if (line.text.empty()) line.time = output.time;
    const std::size_t room = kMostBytes - line.text.size();
    const std::size_t newline = rest.substr(0, room).find('\n');
    const bool whole = newline != std::string_view::npos;
    const std::string_view part = rest.substr(0, whole ? newline : room);
    line.text += part;
    rest.remove_prefix(part.size() + (whole ? 1 : 0));
    if (whole || line.text.size() == kMostBytes) json += take(output.stream);
  }
  return json;
}

std::string LogLines::rest() {
  std::string json;
  for (const auto stream : {LogOutput::Stream::kStdout, LogOutput::Stream::kStderr}) {
    if (!lines_[static_cast<std::size_t>(stream)].text.empty()) json += take(stream);
  }
  return json;
}

}  // namespace tl::cli
