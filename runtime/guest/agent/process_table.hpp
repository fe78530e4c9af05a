// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/guest/protocol/process_messages.hpp"

namespace tl::guest {

// So many processes that have ended are remembered.
inline constexpr std::size_t kEndedProcesses = 128;

// What is known of the processes that were started for clients, running and ended. Plain data; one thread.
class ProcessTable {
 public:
  using Id = std::uint64_t;  // in the order of the starts; never used twice

  // Of a process that runs.
  Id add(ProcessInfo info);
  [[nodiscard]] ProcessInfo& at(Id id) { return rows_.at(id); }
  [[nodiscard]] const ProcessInfo& at(Id id) const { return rows_.at(id); }

  [[nodiscard]] bool has(Id id) const { return rows_.contains(id); }

  // To be called after a change of at() by which a process has ended: forgets those that ended first, when
  // there are too many; which ones is the result.
  std::vector<Id> trim();

  // By number, its first or its present one, or by name. Of several the youngest, one that has not ended
  // before one that has.
  [[nodiscard]] std::optional<Id> find(std::string_view process) const;
  // By one that has not ended.
  [[nodiscard]] bool name_taken(std::string_view name) const;
  [[nodiscard]] ProcessList list() const;
  // Those that have ended, the last first.
  [[nodiscard]] std::vector<Id> ended() const;

 private:
  std::map<Id, ProcessInfo> rows_;
  Id next_ = 1;
};

// The words with spaces between them, at most kMaxShownCommand bytes of them.
std::string shown_command(const std::vector<std::string>& argv);

}  // namespace tl::guest
