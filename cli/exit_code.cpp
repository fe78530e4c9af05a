// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_code.hpp"

namespace tl::cli {

int exit_code_of(ErrorCode code, Command::Failures failures) {
  if (failures == Command::Failures::k125) return kOwnFailure;
  switch (code) {
    case ErrorCode::kFailure:
      return kOtherFailure;
    case ErrorCode::kNotFound:
      return kNoSuchThing;
    case ErrorCode::kConflict:
      return kConflict;
    case ErrorCode::kOutOfRange:
      return kBadValue;
    case ErrorCode::kHostLacks:
      return kHostLacks;
  }
  return kOtherFailure;  // a number from a newer monitor
}

int usage_exit_code(Command::Failures failures) {
  return failures == Command::Failures::k125 ? kOwnFailure : kUsage;
}

int exit_code_of_signal(int signal) {
  return 128 + signal;
}

}  // namespace tl::cli
