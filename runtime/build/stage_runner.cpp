// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/stage_runner.hpp"

#include <fmt/format.h>

#include "runtime/build/copying.hpp"
#include "runtime/build/instruction_rules.hpp"

namespace tl::build {
namespace {

class Step {
 public:
  Step(const BuildParts& parts, const Stage& stage, StageState& state, Guest& guest)
      : parts_(parts), stage_(stage), state_(state), guest_(guest) {}

  Result<void> run(const Instruction& instruction) {
    const std::string& keyword = instruction.keyword;
    if (why_ignored(instruction)) return {};
    if (keyword == "RUN") {
      return guest_.run({state_.command(instruction), state_.environment(), state_.config().working_dir,
                         state_.config().user});
    }
    if (keyword == "COPY" || keyword == "ADD") return copy(instruction);
    auto applied = state_.apply(instruction, parts_.file.escape, parts_.arguments, parts_.plan.global);
    if (!applied) return applied;
    if (keyword == "WORKDIR") return make_working_folder();
    if (keyword == "USER") return settle_user();
    return {};
  }

 private:
  Result<void> copy(const Instruction& instruction) {
    const auto order = copy_order(instruction, state_, parts_.file.escape);
    if (!order) return order.error();
    const auto source = stage_.sources.find(&instruction);
    if (source == stage_.sources.end())
      return copy_from_context(*order, parts_.context, guest_, parts_.watch);
    auto from = parts_.source(source->second);
    if (!from) return from.error();
    return copy_from_guest(*order, *from, guest_);
  }

  // It belongs to whoever works in it.
  Result<void> make_working_folder() {
    Owner owner;
    if (!state_.config().user.empty()) {
      const auto resolved = guest_.resolve(state_.config().user);
      if (!resolved) return resolved.error();
      owner = *resolved;
    }
    return guest_.make_folder(state_.config().working_dir, owner);
  }

  // A group by its name is for the image to know.
  Result<void> settle_user() {
    const auto owner = guest_.resolve(state_.config().user);
    if (!owner) return owner.error();
    if (state_.config().user.find(':') != std::string::npos) state_.set_user(owner->text());
    return {};
  }

  const BuildParts& parts_;
  const Stage& stage_;
  StageState& state_;
  Guest& guest_;
};

}  // namespace

void StepCount::begin(const Instruction& instruction, const BuildWatch& watch) {
  watch.step(fmt::format("[{}/{}] {}", ++done, all, shown(instruction)));
}

Result<void> run_stage(const BuildParts& parts, const Stage& stage, StageState& state, Guest& guest,
                       StepCount& steps) {
  Step step(parts, stage, state, guest);
  for (const Instruction* each : stage.instructions) {
    if (auto on = parts.watch.go_on(); !on) return on;
    steps.begin(*each, parts.watch);
    if (auto done = step.run(*each); !done) return parts.file.at(*each, done.error());
  }
  return {};
}

}  // namespace tl::build
