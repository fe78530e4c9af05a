// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/protocol/detachment.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "runtime/guest/protocol/detachment_item.hpp"

namespace tl::guest {
namespace {

using cbor::json;
using std::chrono::milliseconds;

constexpr std::string_view kRestarts[] = {"never", "on-failure", "always"};

}  // namespace

bool is_process_name(std::string_view text) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  constexpr std::string_view kOthers = "0123456789._-";
  if (text.empty() || text.size() > kMaxProcessName || kLetters.find(text.front()) == std::string_view::npos)
    return false;
  return std::ranges::all_of(text, [&](char c) {
    return kLetters.find(c) != std::string_view::npos || kOthers.find(c) != std::string_view::npos;
  });
}

json restart_item(Detachment::Restart restart) {
  return kRestarts[static_cast<std::size_t>(restart)];
}

Result<Detachment::Restart> take_restart(const json* item) {
  return cbor::take_kind<Detachment::Restart>(item, "restart", kRestarts);
}

json detachment_item(const Detachment& detach) {
  json item = {{"name", detach.name},
               {"restart", restart_item(detach.restart)},
               {"initial_backoff_ms", detach.initial_backoff.count()},
               {"max_backoff_ms", detach.max_backoff.count()}};
  if (detach.max_restarts) item["max_restarts"] = *detach.max_restarts;
  return item;
}

Result<std::string> take_process_name(const json* item) {
  auto name = cbor::take_text(item, "name");
  if (!name || !(name->empty() || is_process_name(*name))) return cbor::wrong_field("name");
  return name;
}

Result<Detachment> take_detachment(const json& item) {
  if (!item.is_object()) return cbor::wrong_field("detach");
  Detachment detach;
  auto name = take_process_name(cbor::find(item, "name"));
  if (!name) return name.error();
  detach.name = *std::move(name);
  const auto restart = take_restart(cbor::find(item, "restart"));
  if (!restart) return restart.error();
  detach.restart = *restart;
  const std::pair<const char*, milliseconds*> pauses[] = {{"initial_backoff_ms", &detach.initial_backoff},
                                                          {"max_backoff_ms", &detach.max_backoff}};
  for (const auto& [field, into] : pauses) {
    const auto number = cbor::take_integer(cbor::find(item, field), field, 1, kMaxBackoff.count());
    if (!number) return number.error();
    *into = milliseconds(*number);
  }
  if (const json* most = cbor::find(item, "max_restarts"); most != nullptr) {
    const auto number =
        cbor::take_integer(most, "max_restarts", 0, std::numeric_limits<std::uint32_t>::max());
    if (!number) return number.error();
    detach.max_restarts = static_cast<std::uint32_t>(*number);
  }
  return detach;
}

}  // namespace tl::guest
