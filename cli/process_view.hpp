// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cli/table.hpp"
#include "runtime/sandbox/info.hpp"

// How processes and their logs are shown.
namespace tl::cli {

// One object. The names and meanings of its fields never change.
nlohmann::ordered_json process_json(const ProcessRecord& process);

// The table of ps. Its first seven columns are the original's; there are no health checks here.
Table process_table(const std::vector<ProcessRecord>& processes, std::chrono::system_clock::time_point now);

// Makes JSON of a log, an object on a line for each line of it. Lines of stdout and stderr may come in pieces
// that alternate; one of more than kMostBytes is cut.
class LogLines {
 public:
  static constexpr std::size_t kMostBytes = 64 * 1024;
  std::string add(const LogOutput& output);
  // What has come without a newline at its end.
  std::string rest();

 private:
  struct Line {
    std::chrono::system_clock::time_point time;  // when it began
    std::string text;
  };
  std::string take(LogOutput::Stream stream);
  Line lines_[2];  // by stream
};

}  // namespace tl::cli
