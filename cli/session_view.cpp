// SPDX-License-Identifier: Apache-2.0
#include "cli/session_view.hpp"

#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/age.hpp"
#include "common/time.hpp"

namespace tl::cli {

nlohmann::ordered_json session_json(const SessionInfo& session) {
  nlohmann::ordered_json json;
  json["session_id"] = session.session;
  json["command"] = session.command;
  json["started_at"] = format_utc(session.started_at);
  json["clients"] = session.clients;
  json["rows"] = session.rows;
  json["columns"] = session.columns;
  return json;
}

Table session_table(const std::vector<SessionInfo>& sessions, std::chrono::system_clock::time_point now) {
  Table table({"ID", "Command", "Started", "Clients", "Size"});
  for (const auto& session : sessions) {
    table.add({std::to_string(session.session), session.command, age(session.started_at, now),
               std::to_string(session.clients), fmt::format("{}x{}", session.columns, session.rows)});
  }
  return table;
}

}  // namespace tl::cli
