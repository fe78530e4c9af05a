// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <string_view>
#include <utility>

#include "runtime/guest/protocol/cbor.hpp"
#include "runtime/guest/protocol/messages.hpp"
#include "runtime/guest/protocol/terminal_size_item.hpp"

namespace tl::guest {
namespace {

using cbor::json;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMaxCells = std::numeric_limits<std::uint16_t>::max();

Result<std::int64_t> take_session(const json& map) {
  return cbor::take_integer(cbor::find(map, "session"), "session", 1,
                            std::numeric_limits<std::int32_t>::max());
}

Result<TerminalInfo> take_terminal(const json& map) {
  if (!map.is_object()) return cbor::wrong_field("terminals");
  TerminalInfo info;
  const auto session = take_session(map);
  if (!session) return session.error();
  info.session = *session;
  auto command = cbor::take_bytes(cbor::find(map, "command"), "command");
  if (!command || command->size() > kMaxShownCommand) return cbor::wrong_field("command");
  info.command = std::move(*command);
  const auto started = cbor::take_integer(cbor::find(map, "started_ns"), "started_ns", 0, kMost);
  if (!started) return started.error();
  info.started = std::chrono::nanoseconds(*started);
  const auto clients = cbor::take_unsigned(cbor::find(map, "clients"), "clients");
  if (!clients) return clients.error();
  info.clients = *clients;
  const auto size = take_size(cbor::find(map, "size"), "size");
  if (!size) return size.error();
  info.size = *size;
  return info;
}

}  // namespace

cbor::json size_item(TerminalSize size) {
  return json::array({size.rows, size.columns});
}

Result<TerminalSize> take_size(const json* item, std::string_view field) {
  if (item == nullptr || !item->is_array() || item->size() != 2) return cbor::wrong_field(field);
  const auto rows = cbor::take_integer(&(*item)[0], field, 1, kMaxCells);
  const auto columns = cbor::take_integer(&(*item)[1], field, 1, kMaxCells);
  if (!rows || !columns) return cbor::wrong_field(field);
  return TerminalSize{static_cast<std::uint16_t>(*rows), static_cast<std::uint16_t>(*columns)};
}

template <>
std::vector<std::byte> encode(const TerminalId& id) {
  return cbor::serialize(json{{"session", id.session}});
}

template <>
Result<TerminalId> decode<TerminalId>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  const auto session = take_session(*map);
  if (!session) return session.error();
  return TerminalId{*session};
}

template <>
std::vector<std::byte> encode(const AttachRequest& request) {
  return cbor::serialize(json{{"session", request.session}, {"size", size_item(request.size)}});
}

template <>
Result<AttachRequest> decode<AttachRequest>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  const auto session = take_session(*map);
  if (!session) return session.error();
  const auto size = take_size(cbor::find(*map, "size"), "size");
  if (!size) return size.error();
  return AttachRequest{*session, *size};
}

template <>
std::vector<std::byte> encode(const TerminalList& list) {
  json items = json::array();
  for (const auto& terminal : list.terminals) {
    items.push_back({{"session", terminal.session},
                     {"command", cbor::bytes_of(terminal.command)},
                     {"started_ns", terminal.started.count()},
                     {"clients", terminal.clients},
                     {"size", size_item(terminal.size)}});
  }
  return cbor::serialize(json{{"terminals", std::move(items)}});
}

template <>
Result<TerminalList> decode<TerminalList>(std::span<const std::byte> bytes) {
  const auto map = cbor::parse_map(bytes);
  if (!map) return map.error();
  const json* items = cbor::find(*map, "terminals");
  if (items == nullptr || !items->is_array() || items->size() > kMaxTerminals) {
    return cbor::wrong_field("terminals");
  }
  TerminalList list;
  for (const json& item : *items) {
    auto terminal = take_terminal(item);
    if (!terminal) return terminal.error();
    list.terminals.push_back(std::move(*terminal));
  }
  return list;
}

}  // namespace tl::guest
