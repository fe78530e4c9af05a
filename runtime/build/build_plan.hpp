// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "runtime/build/dockerfile.hpp"

// Which of a Dockerfile's stages are to be built, and from what. Everything that can be refused without a
// sandbox is refused here.
namespace tl::build {

using Arguments = std::map<std::string, std::string>;  // --build-arg

// What COPY --from means.
struct CopySource {
  std::optional<std::size_t> stage;  // index in BuildPlan::stages; absent: an image
  std::string image;
};

struct Stage {
  std::string name;  // in small letters; empty: it has none
  const Instruction* from = nullptr;
  std::string image;                                 // what it begins with ...
  std::optional<std::size_t> base;                   // ... or the stage
  std::vector<const Instruction*> instructions;      // behind FROM
  std::map<const Instruction*, CopySource> sources;  // of those with --from
  std::set<std::size_t> needs;                       // other stages
  [[nodiscard]] bool copies_from(std::size_t stage) const;
};

// Refers to the Dockerfile, which outlives it.
struct BuildPlan {
  std::vector<Stage> stages;          // all, in the file's order
  std::vector<std::size_t> order;     // those to be built; the last one is the target
  Arguments global;                   // ARG before the first FROM, with their values
  std::vector<std::string> warnings;  // one sentence each
  // The last stage that needs it; it may be gone afterwards. Absent for the target.
  [[nodiscard]] std::optional<std::size_t> last_use(std::size_t stage) const;
  [[nodiscard]] std::size_t steps() const;  // instructions of the stages in `order`, FROM included
};

// `target`: a stage's name or number; absent: the last one. kOutOfRange with file and line.
Result<BuildPlan> plan_build(const Dockerfile& file, const Arguments& arguments,
                             const std::optional<std::string>& target);

}  // namespace tl::build
