// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/process_table.hpp"

#include <algorithm>

namespace tl::guest {

ProcessTable::Id ProcessTable::add(ProcessInfo info) {
  rows_.emplace(next_, std::move(info));
  return next_++;
}

std::vector<ProcessTable::Id> ProcessTable::ended() const {
  std::vector<Id> ids;
  for (auto row = rows_.rbegin(); row != rows_.rend(); ++row) {
    if (row->second.ended()) ids.push_back(row->first);
  }
  // A service that ran for days is not older than the commands of this minute.
  std::ranges::stable_sort(ids, std::ranges::greater(), [this](Id id) { return rows_.at(id).finished; });
  return ids;
}

std::vector<ProcessTable::Id> ProcessTable::trim() {
  auto ids = ended();
  if (ids.size() <= kEndedProcesses) return {};
  ids.erase(ids.begin(), ids.begin() + kEndedProcesses);
  for (const Id id : ids) rows_.erase(id);
  return ids;
}

std::optional<ProcessTable::Id> ProcessTable::find(std::string_view process) const {
  std::optional<Id> best;
  for (const auto& [id, info] : rows_) {
    const bool by_name = !info.name.empty() && info.name == process;
    const bool by_number = std::to_string(info.pid) == process || std::to_string(info.first_pid) == process;
    if (!by_name && !by_number) continue;
    if (!best || !info.ended() || rows_.at(*best).ended()) best = id;
  }
  return best;
}

bool ProcessTable::name_taken(std::string_view name) const {
  return std::ranges::any_of(rows_,
                             [&](const auto& row) { return row.second.name == name && !row.second.ended(); });
}

ProcessList ProcessTable::list() const {
  ProcessList list;
  std::size_t leave_out = rows_.size() - std::min(rows_.size(), kMaxListedProcesses);
  const std::size_t too_many_running = leave_out - std::min(leave_out, ended().size());
  std::size_t leave_out_running = too_many_running;
  leave_out -= too_many_running;
  for (const auto& [id, info] : rows_) {
    std::size_t& left = info.ended() ? leave_out : leave_out_running;
    if (left > 0) {
      --left;
    } else {
      list.processes.push_back(info);
    }
  }
  return list;
}

std::string shown_command(const std::vector<std::string>& argv) {
  std::string text;
  for (const std::string& word : argv) {
    if (!text.empty()) text += ' ';
    text.append(word, 0, kMaxShownCommand);
    if (text.size() >= kMaxShownCommand) break;
  }
  text.resize(std::min(text.size(), kMaxShownCommand));
  return text;
}

}  // namespace tl::guest
