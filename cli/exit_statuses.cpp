// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_statuses.hpp"

#include "cli/exit_code.hpp"

namespace tl::cli {
namespace {

const char* meaning(int code) {
  switch (code) {
    case kNoSuchThing:
      return "there is no such sandbox, snapshot, image or process";
    case kConflict:
      return "the sandbox or process is in the wrong state, the name is taken, or the snapshot or image "
             "is in use";
    case kBadValue:
      return "a value is malformed or out of range";
    case kHostLacks:
      return "this machine lacks something: see 'tl sbx doctor'";
    default:
      return "another failure";
  }
}

}  // namespace

std::vector<ExitStatus> statuses(const std::vector<int>& codes) {
  std::vector<ExitStatus> result = {
      {"0", "success"}, {"1", meaning(kOtherFailure)}, {"2", "the command line is wrong"}};
  for (const int code : codes) result.push_back({std::to_string(code), meaning(code)});
  return result;
}

std::vector<ExitStatus> group_statuses() {
  return {{"0", "success"}, {"2", "the command line is wrong"}, {"other", "the command's own: see its help"}};
}

std::vector<ExitStatus> command_statuses() {
  return {{"0-255", "the exit code of COMMAND"},
          {"124", "COMMAND ran into --timeout"},
          {"125", "tl itself failed before or around COMMAND; the reason is on stderr"},
          {"126", "COMMAND is not executable"},
          {"127", "COMMAND was not found"},
          {"128+n", "COMMAND was ended by signal n"}};
}

}  // namespace tl::cli
