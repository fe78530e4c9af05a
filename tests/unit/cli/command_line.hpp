// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/program.hpp"
#include "tests/unit/cli/fake_runtime.hpp"

namespace tl::cli::test {

// One command line carried out with a fake runtime, and what came of it.
struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string error;
};

// Where the test's stdout and stderr seem to lead.
enum class Leads { kToPipes, kToTerminals };

class CommandLine {
 public:
  std::shared_ptr<FakeState> state = std::make_shared<FakeState>();

  Outcome operator()(const std::vector<std::string>& words, Leads leads = Leads::kToPipes);
};

// 2026-11-23 17:20 UTC, the present of every CommandLine.
std::chrono::system_clock::time_point present();

}  // namespace tl::cli::test
