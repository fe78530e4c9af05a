// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/protocol/messages.hpp"

#include <algorithm>
#include <limits>
#include <string_view>

#include "runtime/guest/protocol/cbor.hpp"
#include "runtime/guest/protocol/detachment_item.hpp"
#include "runtime/guest/protocol/terminal_size_item.hpp"

namespace tl::guest {
namespace {

using cbor::json;
using std::chrono::milliseconds;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMaxTimeoutMs =
    std::int64_t{100} * 365 * 24 * 3600 * 1000;  // fits every clock we add it to
constexpr std::int64_t kMaxSignal = 64;
constexpr std::int64_t kMaxExitCode = 255;

constexpr std::string_view kExitKinds[] = {"exited", "signaled", "timed-out"};
constexpr std::string_view kFailureKinds[] = {"not-found",         "not-executable", "no-such-user",
                                              "no-such-directory", "name-taken",     "other"};
constexpr std::string_view kOperations[] = {"put", "get"};
constexpr std::string_view kForms[] = {"archive", "bytes"};

// A string that the guest's kernel can take: without a NUL.
Result<std::string> take_c_string(const json* item, std::string_view field) {
  auto text = cbor::take_bytes(item, field);
  if (text && text->find('\0') != std::string::npos) return cbor::wrong_field(field);
  return text;
}

Result<void> take_arguments(const json& map, ExecRequest& request) {
  const json* list = cbor::find(map, "argv");
  if (list == nullptr || !list->is_array() || list->empty()) return cbor::wrong_field("argv");
  for (const json& item : *list) {
    auto word = take_c_string(&item, "argv");
    if (!word) return word.error();
    request.argv.push_back(std::move(*word));
  }
  return {};
}

Result<void> take_environment(const json& map, ExecRequest& request) {
  const json* list = cbor::find(map, "env");
  if (list == nullptr || !list->is_array()) return cbor::wrong_field("env");
  for (const json& pair : *list) {
    if (!pair.is_array() || pair.size() != 2) return cbor::wrong_field("env");
    auto name = take_c_string(&pair[0], "env");
    auto value = take_c_string(&pair[1], "env");
    if (!name) return name.error();
    if (!value) return value.error();
    if (name->empty() || name->find('=') != std::string::npos) return cbor::wrong_field("env");
    request.environment.emplace_back(std::move(*name), std::move(*value));
  }
  return {};
}

}  // namespace

template <>
std::vector<std::byte> encode(const ExecRequest& request) {
  json map = {{"argv", json::array()}, {"env", json::array()}};
  for (const auto& word : request.argv) map["argv"].push_back(cbor::bytes_of(word));
  for (const auto& [name, value] : request.environment) {
    json pair = json::array();
    pair.push_back(cbor::bytes_of(name));
    pair.push_back(cbor::bytes_of(value));
    map["env"].push_back(std::move(pair));
  }
  map["cwd"] = cbor::bytes_of(request.working_directory);
  map["user"] = cbor::bytes_of(request.user);
  map["stdin"] = request.stdin_stream;
  if (request.timeout) map["timeout_ms"] = request.timeout->count();
  if (request.terminal) map["terminal"] = size_item(*request.terminal);
  if (!request.listed) map["unlisted"] = true;
  if (request.detach) map["detach"] = detachment_item(*request.detach);
  return cbor::serialize(map);
}

template <>
Result<ExecRequest> decode<ExecRequest>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  ExecRequest request;
  const auto arguments = take_arguments(*map, request);
  if (!arguments) return arguments.error();
  const auto environment = take_environment(*map, request);
  if (!environment) return environment.error();
  auto directory = take_c_string(cbor::find(*map, "cwd"), "cwd");
  if (!directory) return directory.error();
  request.working_directory = std::move(*directory);
  auto user = take_c_string(cbor::find(*map, "user"), "user");
  if (!user) return user.error();
  request.user = std::move(*user);
  const auto stdin_stream = cbor::take_bool(cbor::find(*map, "stdin"), "stdin");
  if (!stdin_stream) return stdin_stream.error();
  request.stdin_stream = *stdin_stream;
  if (const json* timeout = cbor::find(*map, "timeout_ms"); timeout != nullptr) {
    const auto number = cbor::take_integer(timeout, "timeout_ms", 0, kMaxTimeoutMs);
    if (!number) return number.error();
    request.timeout = milliseconds(*number);
  }
  if (const json* terminal = cbor::find(*map, "terminal"); terminal != nullptr) {
    const auto size = take_size(terminal, "terminal");
    if (!size) return size.error();
    request.terminal = *size;
  }
  if (const json* unlisted = cbor::find(*map, "unlisted"); unlisted != nullptr) {
    const auto set = cbor::take_bool(unlisted, "unlisted");
    if (!set) return set.error();
    request.listed = !*set;
  }
  if (const json* item = cbor::find(*map, "detach"); item != nullptr) {
    if (request.stdin_stream || request.timeout || request.terminal) return cbor::wrong_field("detach");
    auto detach = take_detachment(*item);
    if (!detach) return detach.error();
    request.detach = *std::move(detach);
  }
  return request;
}

template <>
std::vector<std::byte> encode(const FilesRequest& request) {
  return cbor::serialize(json{{"operation", kOperations[static_cast<std::size_t>(request.operation)]},
                              {"form", kForms[static_cast<std::size_t>(request.form)]},
                              {"path", cbor::bytes_of(request.path)},
                              {"name", cbor::bytes_of(request.name)},
                              {"cwd", cbor::bytes_of(request.working_directory)},
                              {"user", cbor::bytes_of(request.user)}});
}

template <>
Result<FilesRequest> decode<FilesRequest>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  FilesRequest request;
  const auto operation =
      cbor::take_kind<FilesRequest::Operation>(cbor::find(*map, "operation"), "operation", kOperations);
  if (!operation) return operation.error();
  request.operation = *operation;
  const auto form = cbor::take_kind<FilesRequest::Form>(cbor::find(*map, "form"), "form", kForms);
  if (!form) return form.error();
  request.form = *form;
  const std::pair<const char*, std::string*> texts[] = {{"path", &request.path},
                                                        {"name", &request.name},
                                                        {"cwd", &request.working_directory},
                                                        {"user", &request.user}};
  for (const auto& [field, into] : texts) {
    auto text = take_c_string(cbor::find(*map, field), field);
    if (!text) return text.error();
    *into = *std::move(text);
  }
  return request;
}

template <>
std::vector<std::byte> encode(const ExecStarted& started) {
  return cbor::serialize(json{{"pid", started.pid}});
}

template <>
Result<ExecStarted> decode<ExecStarted>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  const auto pid =
      cbor::take_integer(cbor::find(*map, "pid"), "pid", 1, std::numeric_limits<std::int32_t>::max());
  if (!pid) return pid.error();
  return ExecStarted{*pid};
}

template <>
std::vector<std::byte> encode(const ExecExit& exit) {
  return cbor::serialize(
      json{{"kind", kExitKinds[static_cast<std::size_t>(exit.kind)]}, {"value", exit.value}});
}

template <>
Result<ExecExit> decode<ExecExit>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  const auto kind = cbor::take_kind<ExecExit::Kind>(cbor::find(*map, "kind"), "kind", kExitKinds);
  if (!kind) return kind.error();
  const bool signaled = *kind == ExecExit::Kind::kSignaled;
  const auto value = cbor::take_integer(cbor::find(*map, "value"), "value", signaled ? 1 : 0,
                                        signaled ? kMaxSignal : kMaxExitCode);
  if (!value) return value.error();
  return ExecExit{*kind, static_cast<int>(*value)};
}

template <>
std::vector<std::byte> encode(const ExecFailure& failure) {
  return cbor::serialize(json{{"kind", kFailureKinds[static_cast<std::size_t>(failure.kind)]},
                              {"message", cbor::bytes_of(failure.message)}});
}

template <>
Result<ExecFailure> decode<ExecFailure>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  const auto kind = cbor::take_kind<ExecFailure::Kind>(cbor::find(*map, "kind"), "kind", kFailureKinds);
  if (!kind) return kind.error();
  auto message = cbor::take_bytes(cbor::find(*map, "message"), "message");
  if (!message) return message.error();
  return ExecFailure{*kind, std::move(*message)};
}

template <>
std::vector<std::byte> encode(const FreezeRequest& request) {
  return cbor::serialize(json{{"lease_ms", request.lease.count()}});
}

template <>
Result<FreezeRequest> decode<FreezeRequest>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  const auto lease = cbor::take_integer(cbor::find(*map, "lease_ms"), "lease_ms", 1, kMaxFreezeLease.count());
  if (!lease) return lease.error();
  return FreezeRequest{milliseconds(*lease)};
}

template <>
std::vector<std::byte> encode(const Metrics& metrics) {
  return cbor::serialize(json{{"memory_total", metrics.memory_total_bytes},
                              {"memory_available", metrics.memory_available_bytes},
                              {"disk_total", metrics.disk_total_bytes},
                              {"disk_free", metrics.disk_free_bytes},
                              {"processes", metrics.processes},
                              {"load_1min", metrics.load_1min},
                              {"uptime_ms", metrics.uptime.count()}});
}

template <>
Result<Metrics> decode<Metrics>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  Metrics metrics;
  const std::pair<const char*, std::uint64_t*> counts[] = {
      {"memory_total", &metrics.memory_total_bytes},
      {"memory_available", &metrics.memory_available_bytes},
      {"disk_total", &metrics.disk_total_bytes},
      {"disk_free", &metrics.disk_free_bytes},
      {"processes", &metrics.processes}};
  for (const auto& [field, into] : counts) {
    const auto count = cbor::take_unsigned(cbor::find(*map, field), field);
    if (!count) return count.error();
    *into = *count;
  }
  const auto load = cbor::take_number(cbor::find(*map, "load_1min"), "load_1min");
  if (!load || *load < 0) return cbor::wrong_field("load_1min");
  metrics.load_1min = *load;
  const auto uptime = cbor::take_integer(cbor::find(*map, "uptime_ms"), "uptime_ms", 0, kMost);
  if (!uptime) return uptime.error();
  metrics.uptime = milliseconds(*uptime);
  return metrics;
}

}  // namespace tl::guest
