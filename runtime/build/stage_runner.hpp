// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "common/result.hpp"
#include "runtime/build/build_context.hpp"
#include "runtime/build/build_plan.hpp"
#include "runtime/build/build_watch.hpp"
#include "runtime/build/guest.hpp"
#include "runtime/build/stage_state.hpp"

namespace tl::build {

// "[2/5]", over all stages of a build.
struct StepCount {
  std::size_t done = 0, all = 0;
  // Says what comes now.
  void begin(const Instruction& instruction, const BuildWatch& watch);
};

// What the stages of a build have in common.
struct BuildParts {
  const Dockerfile& file;
  const BuildPlan& plan;
  const Arguments& arguments;
  const BuildContext& context;
  const BuildWatch& watch;
  // The sandbox that COPY --from reads from.
  std::function<Result<Guest>(const CopySource&)> source;
};

// Carries out the instructions of a stage, FROM excepted, in its sandbox. Errors name file and line.
Result<void> run_stage(const BuildParts& parts, const Stage& stage, StageState& state, Guest& guest,
                       StepCount& steps);

}  // namespace tl::build
