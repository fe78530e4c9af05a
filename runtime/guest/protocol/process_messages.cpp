// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/protocol/process_messages.hpp"

#include <limits>
#include <string_view>
#include <utility>

#include "runtime/guest/protocol/cbor.hpp"
#include "runtime/guest/protocol/detachment_item.hpp"

namespace tl::guest {
namespace {

using cbor::json;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMaxSignal = 64;
constexpr std::int64_t kMaxExitCode = 255;
constexpr std::string_view kStatuses[] = {"running",  "restarting", "exited",
                                          "signaled", "timed-out",  "oom-killed"};
constexpr std::string_view kOutcomes[] = {"done",        "no-such-process", "ended-before",
                                          "not-managed", "name-taken",      "not-started"};
constexpr std::string_view kStreams[] = {"stdout", "stderr"};
constexpr std::size_t kMaxAnswerMessage = 4096;

Result<std::int64_t> take_pid(const json& map, const char* field, std::int64_t least = 1) {
  return cbor::take_integer(cbor::find(map, field), field, least, std::numeric_limits<std::int32_t>::max());
}

Result<std::string> take_process(const json& map) {
  auto process = cbor::take_text(cbor::find(map, "process"), "process");
  if (!process || process->empty() || process->size() > kMaxProcessName) return cbor::wrong_field("process");
  return process;
}

json process_item(const ProcessInfo& info) {
  return {{"pid", info.pid},
          {"first_pid", info.first_pid},
          {"command", cbor::bytes_of(info.command)},
          {"name", info.name},
          {"managed", info.managed},
          {"restart", restart_item(info.restart)},
          {"restarts", info.restarts},
          {"status", kStatuses[static_cast<std::size_t>(info.status)]},
          {"value", info.value},
          {"started_ns", info.started.count()},
          {"finished_ns", info.finished.count()}};
}

Result<ProcessInfo> take_process_info(const json& map) {
  if (!map.is_object()) return cbor::wrong_field("processes");
  ProcessInfo info;
  const std::pair<const char*, std::int64_t*> pids[] = {{"pid", &info.pid}, {"first_pid", &info.first_pid}};
  for (const auto& [field, into] : pids) {
    const auto pid = take_pid(map, field);
    if (!pid) return pid.error();
    *into = *pid;
  }
  auto command = cbor::take_bytes(cbor::find(map, "command"), "command");
  if (!command || command->size() > kMaxShownCommand) return cbor::wrong_field("command");
  info.command = *std::move(command);
  auto name = take_process_name(cbor::find(map, "name"));
  if (!name) return name.error();
  info.name = *std::move(name);
  const auto managed = cbor::take_bool(cbor::find(map, "managed"), "managed");
  if (!managed) return managed.error();
  info.managed = *managed;
  const auto restart = take_restart(cbor::find(map, "restart"));
  if (!restart) return restart.error();
  info.restart = *restart;
  const auto restarts = cbor::take_unsigned(cbor::find(map, "restarts"), "restarts");
  if (!restarts) return restarts.error();
  info.restarts = *restarts;
  const auto status = cbor::take_kind<ProcessInfo::Status>(cbor::find(map, "status"), "status", kStatuses);
  if (!status) return status.error();
  info.status = *status;
  const auto value = cbor::take_integer(cbor::find(map, "value"), "value", 0, kMaxExitCode);
  if (!value) return value.error();
  info.value = static_cast<int>(*value);
  const std::pair<const char*, std::chrono::nanoseconds*> times[] = {{"started_ns", &info.started},
                                                                     {"finished_ns", &info.finished}};
  for (const auto& [field, into] : times) {
    const auto time = cbor::take_integer(cbor::find(map, field), field, 0, kMost);
    if (!time) return time.error();
    *into = std::chrono::nanoseconds(*time);
  }
  return info;
}

}  // namespace

template <>
std::vector<std::byte> encode(const ProcessList& list) {
  json items = json::array();
  for (const ProcessInfo& info : list.processes) items.push_back(process_item(info));
  return cbor::serialize(json{{"processes", std::move(items)}});
}

template <>
Result<ProcessList> decode<ProcessList>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  const json* items = cbor::find(*map, "processes");
  if (items == nullptr || !items->is_array() || items->size() > kMaxListedProcesses) {
    return cbor::wrong_field("processes");
  }
  ProcessList list;
  for (const json& item : *items) {
    auto info = take_process_info(item);
    if (!info) return info.error();
    list.processes.push_back(*std::move(info));
  }
  return list;
}

template <>
std::vector<std::byte> encode(const ProcessRequest& request) {
  json map = {{"process", request.process}};
  if (request.signal) map["signal"] = *request.signal;
  return cbor::serialize(map);
}

template <>
Result<ProcessRequest> decode<ProcessRequest>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  ProcessRequest request;
  auto process = take_process(*map);
  if (!process) return process.error();
  request.process = *std::move(process);
  if (const json* signal = cbor::find(*map, "signal"); signal != nullptr) {
    const auto number = cbor::take_integer(signal, "signal", 1, kMaxSignal);
    if (!number) return number.error();
    request.signal = static_cast<int>(*number);
  }
  return request;
}

template <>
std::vector<std::byte> encode(const ProcessAnswer& answer) {
  return cbor::serialize(
      json{{"outcome", kOutcomes[static_cast<std::size_t>(answer.outcome)]},
           {"pid", answer.pid},
           {"message", cbor::bytes_of(std::string_view(answer.message).substr(0, kMaxAnswerMessage))}});
}

template <>
Result<ProcessAnswer> decode<ProcessAnswer>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  ProcessAnswer answer;
  const auto outcome =
      cbor::take_kind<ProcessAnswer::Outcome>(cbor::find(*map, "outcome"), "outcome", kOutcomes);
  if (!outcome) return outcome.error();
  answer.outcome = *outcome;
  const auto pid = take_pid(*map, "pid", 0);
  if (!pid) return pid.error();
  answer.pid = *pid;
  auto message = cbor::take_bytes(cbor::find(*map, "message"), "message");
  if (!message || message->size() > kMaxAnswerMessage) return cbor::wrong_field("message");
  answer.message = *std::move(message);
  return answer;
}

template <>
std::vector<std::byte> encode(const LogsRequest& request) {
  json map = {{"process", request.process}, {"follow", request.follow}};
  if (request.tail) map["tail"] = *request.tail;
  return cbor::serialize(map);
}

template <>
Result<LogsRequest> decode<LogsRequest>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  LogsRequest request;
  auto process = take_process(*map);
  if (!process) return process.error();
  request.process = *std::move(process);
  const auto follow = cbor::take_bool(cbor::find(*map, "follow"), "follow");
  if (!follow) return follow.error();
  request.follow = *follow;
  if (const json* tail = cbor::find(*map, "tail"); tail != nullptr) {
    const auto lines = cbor::take_integer(tail, "tail", 0, std::numeric_limits<std::uint32_t>::max());
    if (!lines) return lines.error();
    request.tail = static_cast<std::uint32_t>(*lines);
  }
  return request;
}

template <>
std::vector<std::byte> encode(const LogPiece& piece) {
  return cbor::serialize(json{{"stream", kStreams[static_cast<std::size_t>(piece.stream)]},
                              {"time_ns", piece.time.count()},
                              {"bytes", cbor::bytes_of(piece.bytes)}});
}

template <>
Result<LogPiece> decode<LogPiece>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  LogPiece piece;
  const auto stream = cbor::take_kind<LogPiece::Stream>(cbor::find(*map, "stream"), "stream", kStreams);
  if (!stream) return stream.error();
  piece.stream = *stream;
  const auto time = cbor::take_integer(cbor::find(*map, "time_ns"), "time_ns", 0, kMost);
  if (!time) return time.error();
  piece.time = std::chrono::nanoseconds(*time);
  auto contents = cbor::take_bytes(cbor::find(*map, "bytes"), "bytes");
  if (!contents || contents->size() > kMaxLogPiece) return cbor::wrong_field("bytes");
  piece.bytes = *std::move(contents);
  return piece;
}

}  // namespace tl::guest
