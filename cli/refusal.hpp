// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tl::cli {

// Why a command line was not carried out at all.
struct Refusal {
  int exit_code = 0;
  std::string message;
  std::string hint;
};

}  // namespace tl::cli
